//! Publishers that go on until they are stopped, while the server is killed and started again under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postrider_tests::random::Random;
use postrider_tests::{Client, wait};
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How many publish at a time.
pub(crate) const PUBLISHERS: u64 = 4;

/// The longest pause between two events of one publisher.
const MOST_PAUSE_MILLIS: u64 = 400;

/// How long one event may take to be acknowledged, restarts included.
const USUAL: Duration = Duration::from_secs(60);

/// Publishers at work.
pub(crate) struct Publishers {
    server: watch::Sender<Client>,
    stop: watch::Sender<bool>,
    count: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<String>>,
}

impl Publishers {
    /// Sets them to work, through a client of the server that runs now.
    pub(crate) fn start(client: Client, random: &mut Random) -> Self {
        let (server, now) = watch::channel(client);
        let (stop, stopped) = watch::channel(false);
        let count = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..PUBLISHERS {
            let random = Random::seeded(random.next());
            tasks.spawn(work(number, now.clone(), stopped.clone(), random, count.clone()));
        }
        Self { server, stop, count, tasks }
    }

    /// Tells them of another server.
    pub(crate) fn go_on_with(&self, client: Client) {
        self.server.send_replace(client);
    }

    /// How many events were acknowledged so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Lets them finish the event they are at. Answers the ids of each one's events, in their order.
    pub(crate) async fn finish(self) -> Vec<Vec<String>> {
        self.stop.send_replace(true);
        self.tasks.join_all().await
    }
}

async fn work(
    number: u64,
    server: watch::Receiver<Client>,
    stop: watch::Receiver<bool>,
    mut random: Random,
    count: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut published = Vec::new();
    while !*stop.borrow() {
        // Some data is too large for a queue's message.
        let size = if random.between(0, 50) == 0 { 100_000 } else { 500 };
        let id = format!("p{number}-{:06}", published.len());
        let event = json!({"event_id": id, "type": "soak.test", "data": {"text": "x".repeat(size)}});
        publish(&server, &event.to_string()).await;
        published.push(id);
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(random.between(0, MOST_PAUSE_MILLIS))).await;
    }
    published
}

/// Publishes until the event is acknowledged.
async fn publish(server: &watch::Receiver<Client>, event: &str) {
    let trying = async {
        loop {
            let client = server.borrow().clone();
            match client.try_call(Method::POST, "/v1/events", Some(event.to_owned().into())).await {
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
