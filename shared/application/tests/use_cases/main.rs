//! The use cases on the real embedded table, with a queue whose messages the test holds in its hand: each can
//! be dealt with late, twice, or after a crash between any two steps.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crashes;
mod fan_out;
mod inbox;
mod ingest;
mod lists;
mod parking;
mod reseal;
mod retries;
mod rotation;
mod schedule;
mod sealed;
mod world;
