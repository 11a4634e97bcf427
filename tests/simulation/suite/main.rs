//! Ten thousand worlds, in none of which anything is lost.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "the figures belong into the test's output")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use postrider_simulation::{Report, run};

/// How many worlds there are. `POSTRIDER_SIMULATIONS` sets another number.
const WORLDS: u64 = 10_000;

fn with_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _context = runtime.enter();
    work()
}

#[expect(clippy::disallowed_methods, reason = "the one setting of this test, read once")]
fn worlds() -> u64 {
    std::env::var("POSTRIDER_SIMULATIONS").map_or(WORLDS, |count| count.parse().unwrap())
}

#[test]
fn nothing_is_lost_in_any_world() {
    let worlds = worlds();
    let next = AtomicU64::new(0);
    let work = || {
        with_runtime(|| {
            let mut reports = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= worlds {
                    return reports;
                }
                reports.push(run(seed, false));
            }
        })
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let reports: Vec<Report> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let total = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    println!(
        "{worlds} worlds: {} events, {} requests, {} days",
        total(|report| report.events as u64),
        total(|report| report.requests as u64),
        total(|report| report.milliseconds) / 86_400_000,
    );
    let bad: Vec<_> = reports.iter().filter(|report| !report.failures.is_empty()).collect();
    for report in bad.iter().take(10) {
        let command = format!("cargo run -p postrider-simulation -- --trace --seed {}", report.seed);
        println!("to see it: {command}\n{}", report.failures.join("\n"));
    }
    assert!(bad.is_empty(), "{} worlds are bad, the first of them with seed {}", bad.len(), bad[0].seed);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..30 {
        let [first, second] = [(); 2].map(|()| with_runtime(|| run(seed, true)));
        for (line, again) in first.trace.iter().zip(&second.trace) {
            assert_eq!(line, again, "seed {seed}");
        }
        assert_eq!(first.digest, second.digest, "seed {seed}");
    }
}
