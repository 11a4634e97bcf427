//! What is published while the server is killed and started again.

use std::time::{Duration, Instant};

use postrider_tests::publishers::{Publisher, Publishers};
use postrider_tests::random::Random;
use postrider_tests::tenant::text;
use postrider_tests::{Client, wait};
use reqwest::Method;
use serde_json::{Value, json};

/// How many publish at a time.
const PUBLISHERS: u64 = 16;

/// The longest pause between two events of one publisher.
const MOST_PAUSE_MILLIS: u64 = 80;

/// How long one event may take to be acknowledged, restarts included.
const USUAL: Duration = Duration::from_secs(60);

/// An event that was acknowledged.
pub(crate) struct Published {
    pub(crate) id: String,
    pub(crate) data: Value,
    /// When it was published for the last time.
    pub(crate) begun: Instant,
    /// How often the publisher asked before it was told.
    pub(crate) tries: u32,
}

/// Sets publishers to work, through a client of the server that runs now.
pub(crate) fn start(client: Client, random: &mut Random) -> Publishers<Published> {
    Publishers::start(client, PUBLISHERS, |publisher| work(publisher, Random::seeded(random.next())))
}

async fn work(publisher: Publisher, mut random: Random) -> Vec<Published> {
    let number = publisher.number;
    let mut published = Vec::new();
    for count in 0.. {
        if publisher.is_stopped() {
            break;
        }
        // Some data is too large for a queue's message.
        let size = if random.between(0, 40) == 0 { 200_000 } else { 100 };
        let data = json!({"publisher": number, "count": count, "text": "x".repeat(size)});
        let mut event = json!({"type": "crash.test", "data": data});
        // An event without an id of its own cannot be repeated safely: it counts if it is acknowledged.
        let own_id = random.between(0, 4) != 0;
        if own_id {
            event["event_id"] = format!("p{number}-{count}").into();
        }
        if let Some((id, begun, tries)) = publish(&publisher, &event.to_string(), own_id).await {
            published.push(Published { id, data, begun, tries });
        }
        tokio::time::sleep(Duration::from_millis(random.between(0, MOST_PAUSE_MILLIS))).await;
    }
    published
}

/// Publishes until the event is acknowledged. Answers its id, when it was published and how often; nothing when
/// it cannot be repeated and was not acknowledged.
async fn publish(publisher: &Publisher, event: &str, repeatable: bool) -> Option<(String, Instant, u32)> {
    let first = Instant::now();
    for tries in 1.. {
        let begun = Instant::now();
        let answer =
            publisher.client().try_call(Method::POST, "/v1/events", Some(event.to_owned().into())).await;
        match answer {
            Ok(reply) if matches!(reply.status, 200 | 202) => {
                return Some((text(&reply.json(), "event_id").to_owned(), begun, tries));
            }
            Ok(reply) if reply.status != 503 => panic!("{} {}", reply.status, reply.text()),
            _ if !repeatable => return None,
            // The server is being started again.
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        assert!(first.elapsed() < wait::deadline(USUAL), "an event was not acknowledged within {USUAL:?}");
    }
    None
}
