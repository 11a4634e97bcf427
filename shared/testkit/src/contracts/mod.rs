//! What every implementation of a port keeps, on AWS as in one process: each case is a function, so that a
//! failure says what broke, and each file has one that runs all of its cases. Keys are unique in every run.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::missing_panics_doc, reason = "a case says what it found by panicking")]

pub mod blobs;
pub mod queue;
pub mod table;
pub mod vault;
