//! Signatures, verified by the Standard Webhooks libraries for Rust, Python and JavaScript, and those of key pairs
//! by Node.js: none of them is ours.

#![allow(clippy::unwrap_used, reason = "a test that finds something else than it expects ends in a panic")]

mod cases;
mod libraries;
mod programs;

use std::process::ExitCode;

use postrider_tests::{harness, scenarios};

fn main() -> ExitCode {
    harness::run(scenarios! {
        libraries: the_rust_library_verifies_deliveries,
            the_python_library_verifies_deliveries,
            the_javascript_library_verifies_deliveries,
            node_verifies_deliveries_with_a_published_key_set;
    })
}
