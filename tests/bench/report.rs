//! How the figures are written.

#![allow(clippy::print_stdout, reason = "this is what the benchmark is for")]

use std::time::Duration;

use crate::fairness::Quiet;
use crate::load::Shape;
use crate::process::Storage;

/// What one throughput run came to.
pub(crate) struct Throughput {
    pub(crate) accepted_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    /// Bare posts around the run.
    pub(crate) bare_per_second: f64,
    pub(crate) cpu_per_delivery: Duration,
    pub(crate) peak_memory: u64,
}

impl Throughput {
    /// Deliveries as a share of bare posts, in percent.
    fn share(&self) -> f64 {
        self.deliveries_per_second / self.bare_per_second * 100.0
    }
}

pub(crate) fn heading(runs: usize) {
    println!("the run with the median share of {runs} each, and the smallest and the largest share\n");
    println!(
        "{:<10} {:<27} {:>10} {:>12} {:>12} {:>8} {:>14} {:>13} {:>9}",
        "data", "case", "accepted/s", "deliveries/s", "bare posts/s", "share", "", "CPU/delivery", "peak"
    );
}

/// Shows the run with the median share.
pub(crate) fn throughput(storage: Storage, shape: Shape, mut runs: Vec<Throughput>) {
    runs.sort_by(|one, other| one.share().total_cmp(&other.share()));
    let (run, last) = (&runs[runs.len() / 2], runs.len() - 1);
    println!(
        "{:<10} {:<27} {:>10.0} {:>12.0} {:>12.0} {:>6.1} % {:>14} {:>10} us {:>6} MB",
        storage.name(),
        shape.name(),
        run.accepted_per_second,
        run.deliveries_per_second,
        run.bare_per_second,
        run.share(),
        format!("{:.1} to {:.1}", runs[0].share(), runs[last].share()),
        run.cpu_per_delivery.as_micros(),
        run.peak_memory / 1_000_000,
    );
}

pub(crate) fn latency(storage: Storage, per_second: u32, sorted: Vec<Duration>) {
    let at = |share| millis(&sorted, share);
    println!(
        "publish to arrival at {per_second} events/s, {:<9}  p50 {:.2} ms   p95 {:.2} ms   p99 {:.2} ms   max {:.2} ms",
        storage.name(),
        at(0.50),
        at(0.95),
        at(0.99),
        at(1.0),
    );
}

pub(crate) fn fairness(storage: Storage, quiet: &Quiet) {
    let (alone, beside) = (millis(&quiet.alone, 0.95), millis(&quiet.beside, 0.95));
    println!(
        "a quiet tenant beside a flood to a slow receiver, {:<9}  p95 {beside:.2} ms, alone {alone:.2} ms: {:.1} times",
        storage.name(),
        beside / alone,
    );
}

/// The latency that a share of all stays below, in milliseconds.
fn millis(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted[index.saturating_sub(1).min(sorted.len() - 1)].as_secs_f64() * 1000.0
}
