//! What `make bench` prints: how fast the embedded stack accepts and delivers, beside bare posts to the same
//! receiver in the same run, and how long an event takes from being published to arriving.
//!
//! The publisher and the receiver share this process, the stack has its own; all share the machine's cores.
//!
//! Arguments choose among it: `memory` and `file`, and `single`, `batch`, `ten`, `latency` and `fairness`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise, and prints"
)]

mod fairness;
mod load;
mod process;
mod receiver;
mod report;
mod selection;

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Client, Shape};
use crate::process::{Server, Storage};
use crate::receiver::Receiver;
use crate::report::Throughput;
use crate::selection::Selection;

/// How many requests are under way at a time, for bare posts and for publishing alike.
const CONCURRENCY: usize = 64;

/// How many events each throughput run publishes.
const EVENTS: usize = 20_000;

/// How often each throughput run is repeated, because a machine is not as fast at all times.
const RUNS: usize = 3;

/// How many bare posts are made right before and right after each throughput run, which is measured against them.
const BARE_POSTS: usize = 25_000;

/// Events per second and seconds of the run that measures latency.
const PACE: (u32, u32) = (100, 20);

#[tokio::main]
async fn main() {
    let selection = Selection::from_arguments();
    let receiver = Arc::new(Receiver::start().await);
    let cores = std::thread::available_parallelism().unwrap();
    println!("{cores} cores, 1 KB events, {CONCURRENCY} requests at a time, receiver answers at once\n");
    // Once before, so that the first measured run finds everything warm.
    load::bare_posts(&receiver, BARE_POSTS / 10, CONCURRENCY).await;
    report::heading(RUNS);
    for storage in selection.storages() {
        for shape in selection.shapes() {
            let mut runs = Vec::with_capacity(RUNS);
            for _ in 0..RUNS {
                runs.push(throughput(&receiver, storage, shape).await);
            }
            report::throughput(storage, shape, runs);
        }
    }
    println!();
    for storage in selection.storages_of("latency") {
        let server = Server::start(storage).await;
        let client = Client::prepare(&server, &receiver, 1).await;
        let latencies = load::paced(&client, &receiver, PACE.0, PACE.1).await;
        report::latency(storage, PACE.0, latencies);
        server.stop().await;
    }
    println!();
    for storage in selection.storages_of("fairness") {
        report::fairness(storage, &fairness::run(&receiver, storage, PACE).await);
    }
}

async fn throughput(receiver: &Arc<Receiver>, storage: Storage, shape: Shape) -> Throughput {
    let bare_before = load::bare_posts(receiver, BARE_POSTS, CONCURRENCY).await;
    let server = Server::start(storage).await;
    let client = Client::prepare(&server, receiver, shape.endpoints()).await;
    // Connections, caches and files are warm before the clock starts.
    let warm = receiver.count() + EVENTS / 20 * shape.endpoints();
    load::publish(&client, shape, EVENTS / 20, CONCURRENCY).await;
    receiver.wait_for(warm, Duration::from_secs(60)).await;
    let cpu_before = server.cpu_seconds();
    let before = receiver.count();
    let started = std::time::Instant::now();
    load::publish(&client, shape, EVENTS, CONCURRENCY).await;
    let accepted_in = started.elapsed();
    let deliveries = EVENTS * shape.endpoints();
    receiver.wait_for(before + deliveries, Duration::from_secs(120)).await;
    let delivered_in = started.elapsed();
    let cpu = server.cpu_seconds() - cpu_before;
    let peak_memory = server.peak_memory_bytes();
    assert_eq!(receiver.count(), before + deliveries, "each delivery arrives once");
    server.stop().await;
    let bare_after = load::bare_posts(receiver, BARE_POSTS, CONCURRENCY).await;
    Throughput {
        accepted_per_second: EVENTS as f64 / accepted_in.as_secs_f64(),
        deliveries_per_second: deliveries as f64 / delivered_in.as_secs_f64(),
        bare_per_second: (bare_before + bare_after) / 2.0,
        cpu_per_delivery: Duration::from_secs_f64(cpu / deliveries as f64),
        peak_memory,
    }
}
