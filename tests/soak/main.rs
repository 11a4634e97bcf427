//! What `make soak` does: a stack on a file under steady load for a quarter of an hour, with receivers that are fast,
//! slow, failing, flapping and ordered, and `kill -9` again and again. In the end the counts have to add up, and while
//! nothing is killed the memory has to stay as it is.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that finds something else than it expects ends in a panic, and prints"
)]

mod counts;
mod publisher;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postrider_tests::random::{Random, fresh};
use postrider_tests::{Answer, Client, Endpoint, Receiver, Server, Tenant};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long it takes, in minutes, unless the first argument says otherwise.
const MINUTES: f64 = 15.0;

/// Of the time there are kills in so much, and then there are none; unless the second argument says otherwise.
const WITH_KILLS: f64 = 0.5;

/// How many seconds a server lives before it is killed, about.
const LIFE: (u64, u64) = (10, 60);

/// How often memory is looked at while nothing is killed.
const SAMPLE: Duration = Duration::from_secs(10);

/// How long after a start memory still fills: the log of the table up to its size, pools of threads and connections,
/// and what the allocator keeps for each of them.
const FILLS_FOR: Duration = Duration::from_secs(4 * 60);

/// By how much memory may grow from the first half of the time after that to the second.
const GROWTH: f64 = 1.1;

/// The endpoints by their path.
pub(crate) const PATHS: [&str; 5] = ["/fast", "/slow", "/failing", "/flapping", "/ordered"];

#[tokio::main]
async fn main() {
    let argument = |place| std::env::args().nth(place).map(|argument| argument.parse::<f64>().unwrap());
    let (minutes, with_kills) = (argument(1).unwrap_or(MINUTES), argument(2).unwrap_or(WITH_KILLS));
    let time = Duration::from_secs_f64(minutes * 60.0);
    let random = &mut Random::seeded(fresh());
    let folder = TempDir::with_prefix("postrider-soak-").unwrap();
    let key = format!("platform-key-of-the-soak-{:016x}", fresh());
    let log = folder.path().join("server.log");
    let start = || Server::start(&folder.path().join("data"), &key, &log);
    let receiver = Receiver::start().await;
    behave(&receiver);
    let mut server = start();
    let tenant = Tenant::create(&Client::new(server.url(), Some(&key)), "soak").await;
    let endpoints = create(&tenant, &receiver).await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let publishers = publisher::start(tenant.admin.clone(), random, &accepted);
    println!("{minutes} minutes, {} publishers, endpoints {PATHS:?}", publisher::PUBLISHERS);

    let (begun, mut kills) = (Instant::now(), 0);
    while begun.elapsed() < time.mul_f64(with_kills) {
        tokio::time::sleep(Duration::from_secs(random.between(LIFE.0, LIFE.1))).await;
        server.kill();
        kills += 1;
        server = start();
        publishers.go_on_with(tenant.admin.at(server.url()));
        println!(
            "{:4.0} s: kill {kills}, {} events accepted",
            begun.elapsed().as_secs_f64(),
            accepted.load(Ordering::Relaxed)
        );
    }
    let mut samples = Vec::new();
    while begun.elapsed() < time {
        tokio::time::sleep(SAMPLE).await;
        samples.push(server.resident_bytes() as f64 / 1e6);
        if samples.len().is_multiple_of(6) {
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "{seconds:4.0} s: {:.0} MB, {} events accepted",
                samples[samples.len() - 1],
                accepted.load(Ordering::Relaxed)
            );
        }
    }
    let published = publishers.finish().await;
    let tenant = Tenant { id: tenant.id, admin: tenant.admin.at(server.url()) };
    heal(&tenant, &receiver, &endpoints).await;
    counts::check(&tenant, &receiver, &endpoints, &published).await;
    check_memory(&samples);
    println!("{kills} kills; everything that was accepted is accounted for");
}

/// What the receiver is like while events are published.
fn behave(receiver: &Receiver) {
    receiver.cycle("/slow", [100, 300, 800].map(|millis| Answer::ok().after(Duration::from_millis(millis))));
    receiver.answer("/failing", [Answer::status(500)]);
    // Now and then enough in a row to open its circuit, and some that it will never take.
    let flapping = [(200, 300), (500, 15), (200, 60), (503, 4), (400, 3)];
    receiver.cycle(
        "/flapping",
        flapping.iter().flat_map(|(status, count)| vec![Answer::status(*status); *count]),
    );
    receiver.cycle("/ordered", [vec![Answer::ok(); 50], vec![Answer::status(503); 2]].concat());
}

async fn create(tenant: &Tenant, receiver: &Receiver) -> Vec<Endpoint> {
    let retry = json!({"strategy": "fixed", "initial_delay": 1, "max_attempts": 4});
    let mut endpoints = Vec::new();
    for path in PATHS {
        let fields = match path {
            "/ordered" => json!({"retry": retry, "ordered": true}),
            "/slow" => json!({"rate_limit": {"per_second": 40}}),
            _ => json!({"retry": retry}),
        };
        endpoints.push(tenant.endpoint(&receiver.url(path), fields).await);
    }
    endpoints
}

/// Makes the receivers well, and has the parked deliveries go on.
async fn heal(tenant: &Tenant, receiver: &Receiver, endpoints: &[Endpoint]) {
    for (path, endpoint) in PATHS.iter().zip(endpoints) {
        receiver.answer(path, [Answer::ok()]);
        let fast = json!({"rate_limit": {"per_second": 10_000, "burst": 1000}});
        tenant.admin.patch(&format!("/v1/endpoints/{}", endpoint.id), &fast).await.expect(200);
        let circuit = format!("/v1/endpoints/{}/circuit", endpoint.id);
        let answer: Value = tenant.admin.post(&circuit, &json!({"state": "closed"})).await.expect(200).json();
        println!("{path}: circuit {}", answer["state"]);
    }
}

fn check_memory(samples: &[f64]) {
    let fills_for = (FILLS_FOR.as_secs() / SAMPLE.as_secs()) as usize;
    let full = &samples[fills_for.min(samples.len() / 2)..];
    let (first, second) = full.split_at(full.len() / 2);
    let average = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (before, after) = (average(first), average(second));
    println!(
        "memory without kills, once it is filled: {before:.0} MB in the first half, {after:.0} MB in the second"
    );
    assert!(after < before * GROWTH, "memory grows: {samples:?}");
}
