//! What is published while the server is killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postrider_tests::publishers::{Publisher, Publishers};
use postrider_tests::random::Random;
use postrider_tests::{Client, wait};
use reqwest::Method;
use serde_json::json;

/// How many publish at a time.
pub(crate) const PUBLISHERS: u64 = 4;

/// The longest pause between two events of one publisher.
const MOST_PAUSE_MILLIS: u64 = 400;

/// How long one event may take to be acknowledged, restarts included.
const USUAL: Duration = Duration::from_secs(60);

/// Sets publishers to work, through a client of the server that runs now. They count what was acknowledged.
pub(crate) fn start(client: Client, random: &mut Random, count: &Arc<AtomicUsize>) -> Publishers<String> {
    Publishers::start(client, PUBLISHERS, |publisher| {
        work(publisher, Random::seeded(random.next()), count.clone())
    })
}

async fn work(publisher: Publisher, mut random: Random, count: Arc<AtomicUsize>) -> Vec<String> {
    let number = publisher.number;
    let mut published = Vec::new();
    while !publisher.is_stopped() {
        // Some data is too large for a queue's message.
        let size = if random.between(0, 50) == 0 { 100_000 } else { 500 };
        let id = format!("p{number}-{:06}", published.len());
        let event = json!({"event_id": id, "type": "soak.test", "data": {"text": "x".repeat(size)}});
        publish(&publisher, &event.to_string()).await;
        published.push(id);
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(random.between(0, MOST_PAUSE_MILLIS))).await;
    }
    published
}

/// Publishes until the event is acknowledged.
async fn publish(publisher: &Publisher, event: &str) {
    let trying = async {
        loop {
            match publisher.client().try_call(Method::POST, "/v1/events", Some(event.to_owned().into())).await
            {
                Ok(reply) if matches!(reply.status, 200 | 202) => return,
                Ok(reply) if reply.status != 503 => panic!("{} {}", reply.status, reply.text()),
                // The server is being started again.
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let limit = wait::deadline(USUAL);
    tokio::time::timeout(limit, trying).await.expect("an event was not acknowledged in time");
}
