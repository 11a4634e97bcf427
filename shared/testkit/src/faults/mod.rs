//! Wrappers of the ports that fail when they are told to: before a call takes effect or after it, at a certain
//! call or at random ones that a seed repeats, once or, as a worker that dies, from then on.

mod plan;
mod queue;
mod table;

pub use plan::{Fault, FaultPlan};
pub use queue::FaultyQueue;
pub use table::FaultyTable;

#[cfg(test)]
mod tests;
