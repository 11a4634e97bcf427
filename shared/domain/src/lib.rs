//! The rules of Postrider as plain functions and values.
//!
//! Nothing here waits, reads a clock, draws a random number or knows of AWS, HTTP or a file: time,
//! randomness and new ids are arguments. Nothing here is serialised either: the wire forms live with the
//! API, the queue messages and the table items, in the crates that own them.

pub mod channel;
pub mod circuit;
pub mod delivery;
pub mod endpoint;
pub mod event;
pub mod filter;
pub mod id;
pub mod in_order;
pub mod job;
pub mod outcome;
pub mod priority;
pub mod problem;
pub mod rate_limit;
pub mod reconciliation;
pub mod retry;
pub mod signature;
pub mod subscription;
pub mod timestamp;

pub use channel::ChannelKind;
pub use circuit::{Circuit, CircuitRules, CircuitState};
pub use delivery::{Attempt, Delivery, DeliveryStatus};
pub use endpoint::{Endpoint, EndpointStatus};
pub use event::{Event, EventType};
pub use filter::Filter;
pub use id::{DeadLetterId, DeliveryId, EndpointId, EventId, JobId, KeyId, TenantId};
pub use in_order::InOrder;
pub use job::{Job, JobState};
pub use outcome::{Outcome, Verdict};
pub use priority::{Lane, Priority};
pub use problem::FieldProblem;
pub use rate_limit::RateLimit;
pub use reconciliation::{Hour, Reconciliation};
pub use retry::RetryPolicy;
pub use subscription::{Pattern, Subscription};
pub use timestamp::Timestamp;
