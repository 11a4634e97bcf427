//! What the functions share: reading the configuration, building the ports, logs, and how Lambda hands over
//! HTTP requests and batches of messages.

mod batch;
mod environment;
mod http;
mod logs;
mod messages;
mod start;

pub use batch::{Grouping, answer_batch, run_batches};
pub use environment::{ConfigError, Environment};
pub use http::{answer_http, run_http};
pub use start::Start;
