//! What the end-to-end tests are made of: a running Postrider, a client of its API, receivers that do as they
//! are told, and waiting with a deadline.
//!
//! The tests know of Postrider what its users know: the HTTP API and what arrives at a receiver. So they run
//! against any deployment; `settings` says how to point them at one.

#![allow(clippy::unwrap_used, reason = "a test that finds something else than it expects ends in a panic")]

pub mod client;
pub mod harness;
pub mod pages;
pub mod process;
pub mod publishers;
pub mod random;
pub mod receiver;
pub mod server;
pub mod settings;
pub mod signature;
pub mod target;
pub mod tenant;
pub mod wait;

pub use client::{Client, Reply};
pub use harness::Scenario;
pub use receiver::{Answer, Receiver, Recorded};
pub use server::Server;
pub use target::Target;
pub use tenant::{Endpoint, Tenant};
pub use wait::eventually;
