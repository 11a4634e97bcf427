//! The use cases on the real embedded table, with a queue whose messages the test holds in its hand: each can
//! be dealt with late, twice, or after a crash between any two steps.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and a simulation says what it came to"
)]

mod crashes;
mod fairness;
mod fan_out;
mod fleet;
mod inbox;
mod ingest;
mod lists;
mod parking;
mod priority;
mod publish_limits;
mod rates;
mod retries;
mod schedule;
mod scheduled_events;
mod world;
