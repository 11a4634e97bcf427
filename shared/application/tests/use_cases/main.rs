//! The use cases on the real embedded table, with a queue whose messages the test holds in its hand: each can
//! be dealt with late, twice, or after a crash between any two steps.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and a simulation says what it came to"
)]

mod circuit_crashes;
mod circuits;
mod counted;
mod crashes;
mod fairness;
mod fan_out;
mod fleet;
mod in_order;
mod inbox;
mod ingest;
mod job_crashes;
mod lists;
mod outages;
mod parked;
mod parking;
mod payloads;
mod poison;
mod priority;
mod publish_limits;
mod rates;
mod reconciliation;
mod reconciliation_crashes;
mod reconciliation_gaps;
mod reconciliation_parked;
mod reconciliation_stuck;
mod redrives;
mod replays;
mod reseal;
mod retries;
mod rotation;
mod schedule;
mod scheduled_events;
mod sealed;
mod world;
