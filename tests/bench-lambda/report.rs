//! How the figures are written, and which of them are above their budget.

#![allow(clippy::print_stdout, reason = "this is what the benchmark is for")]

use std::time::Duration;

use crate::load::Loaded;

/// From the start of the process to the first time that it asks for an invocation.
const START_BUDGET: Duration = Duration::from_millis(50);

/// Resident memory under load, in bytes.
const MEMORY_BUDGET: u64 = 64_000_000;

/// What was measured of one function.
pub(crate) struct Figures {
    /// The program's size in bytes.
    pub(crate) size: u64,
    /// How long it took to start, in order of length.
    pub(crate) starts: Vec<Duration>,
    pub(crate) loaded: Loaded,
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Prints all figures. Answers what is above its budget; the time to start is not among it, because it is the
/// machine's as much as the function's.
pub(crate) fn print(functions: &[Figures]) -> Vec<String> {
    println!("{:<16} {:>17} {:>32} {:>26}", "", "program, MB", "start, ms", "resident memory, MB");
    println!(
        "{:<16} {:>9} {:>7} {:>8} {:>7} {:>7} {:>7} {:>11} {:>6} {:>7}",
        "function", "size", "budget", "min", "median", "max", "budget", "start", "peak", "budget"
    );
    let mut exceeded = Vec::new();
    for Figures { size, starts, loaded } in functions {
        let function = loaded.function;
        let milliseconds = |index: usize| starts[index].as_secs_f64() * 1000.0;
        println!(
            "{:<16} {:>9.2} {:>7.0} {:>8.1} {:>7.1} {:>7.1} {:>7.0} {:>11.1} {:>6.1} {:>7.0}",
            function.name(),
            megabytes(*size),
            megabytes(function.size_budget()),
            milliseconds(0),
            milliseconds(starts.len() / 2),
            milliseconds(starts.len() - 1),
            START_BUDGET.as_secs_f64() * 1000.0,
            megabytes(loaded.started.now),
            megabytes(loaded.worked.peak),
            megabytes(MEMORY_BUDGET),
        );
        if *size > function.size_budget() {
            exceeded.push(format!("{}: the program is too large", function.name()));
        }
        if loaded.worked.peak > MEMORY_BUDGET {
            exceeded.push(format!("{}: takes too much memory", function.name()));
        }
    }
    println!("\nthe load under which memory was measured, on one instance of each:");
    for Figures { loaded, .. } in functions {
        println!("{:<16} {}", loaded.function.name(), loaded.load);
    }
    exceeded
}
