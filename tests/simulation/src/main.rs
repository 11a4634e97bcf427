//! `simulate`: runs worlds, or one with everything that happens in it.

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use clap::Parser;

/// Runs simulated worlds and says what did not hold in them.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Print everything that happens.
    #[arg(long)]
    trace: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let _context = runtime.enter();
    let mut bad = 0;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.count) {
        let report = postrider_simulation::run(seed, arguments.trace);
        for line in &report.trace {
            println!("{line}");
        }
        for failure in &report.failures {
            println!("seed {seed}: {failure}");
        }
        bad += u64::from(!report.failures.is_empty());
        if arguments.count == 1 {
            let minutes = report.milliseconds / 60_000;
            println!(
                "seed {seed}: {} events, {} requests, {minutes} minutes",
                report.events, report.requests
            );
        }
    }
    println!("{} worlds, {bad} of them bad", arguments.count);
    if bad > 0 { Err("something did not hold".into()) } else { Ok(()) }
}
