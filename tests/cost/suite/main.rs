//! Tests of what things cost, of fan-out and counting at any size, and of crashes between any two calls of a port.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod budgets;
mod crashes;
mod reconciliation;
mod scale;
