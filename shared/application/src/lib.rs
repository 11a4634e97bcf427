//! What Postrider does: the use cases, the ports they need, and the stores over the Table port.
//!
//! Nothing here names AWS, SQLite or an HTTP framework. A function or program builds the ports' real
//! implementations and calls one use case.

pub mod access;
pub mod announce;
pub mod cache;
pub mod cancel_event;
pub mod deliver;
pub mod endpoints;
pub mod fan_out;
pub(crate) mod in_order;
pub mod inbox;
pub mod ingest;
pub mod jobs;
pub mod links;
pub(crate) mod matching;
pub mod messages;
pub mod ports;
pub mod publish_limits;
pub mod query;
pub mod rates;
pub mod reconcile;
pub mod record_dead_letter;
pub mod redeliver;
pub mod release;
pub mod reseal;
pub mod schedule;
pub mod sealing;
pub mod shares;
pub mod stores;
pub mod system;
