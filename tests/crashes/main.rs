//! What survives the end of the process: a `kill -9` at any moment, and a stop on request.

#![allow(clippy::unwrap_used, reason = "a test that finds something else than it expects ends in a panic")]

mod kill;
mod laboratory;
mod publishers;
mod repeats;
mod stop;

use std::process::ExitCode;

use postrider_tests::{Scenario, harness};

fn main() -> ExitCode {
    harness::run(vec![
        Scenario::alone("kill::what_was_accepted_is_delivered", kill::what_was_accepted_is_delivered),
        Scenario::alone("stop::attempts_under_way_are_recorded", stop::attempts_under_way_are_recorded),
        Scenario::alone("stop::waiting_deliveries_are_kept", stop::waiting_deliveries_are_kept),
    ])
}
