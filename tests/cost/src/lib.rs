//! A Postrider that counts what AWS would bill and that fails on demand: the real use cases and the real webhook
//! channel over the embedded table, a queue with SQS's batches and redeliveries, and a receiver that answers like
//! an ordinary web application. The budgets' tests and `make cost` run on it.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

pub mod answers;
pub mod clock;
pub mod figures;
pub mod logs;
pub mod prices;
pub mod queue;
pub mod receiver;
pub mod world;

pub use figures::{Figures, Ingested};
pub use world::World;
