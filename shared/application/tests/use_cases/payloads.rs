//! Large payloads: how many bytes of them a worker holds at a time, and that an endpoint that gets links costs none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::Ingest;
use postrider_application::jobs::RunJobs;
use postrider_application::links::{DataLinks, ReadData};
use postrider_application::messages::ChannelMessage;
use postrider_application::ports::{
    AttemptJob, AttemptResult, BlobError, Blobs, Channel, Channels, Clock, Content, Destination,
    OutgoingMessage, QueueName, QueueRecord, Table,
};
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs};
use postrider_application::system::SystemEntropy;
use postrider_domain::delivery::RequestRecord;
use postrider_domain::{ChannelKind, EndpointId, Outcome, Subscription, TenantId, Timestamp};
use postrider_embedded::{EmbeddedTable, LocalVault, MemoryBlobs};
use postrider_testkit::channel::OpensWith;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fleet::RuntimeClock;
use crate::world::{HeldQueue, WEBHOOK, publication};

const LARGEST: usize = 5_000_000;

/// The bytes that were read and not let go of yet, and the most there ever were; and the same of reads at a time.
#[derive(Default)]
struct Held {
    reading: AtomicU64,
    most_reading: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
    gets: AtomicU64,
    fails: AtomicBool,
}

/// A store that counts what is read.
struct CountedBlobs(MemoryBlobs, Arc<Held>);

#[async_trait]
impl Blobs for CountedBlobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        self.0.put(key, content).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        if self.1.fails.load(Ordering::SeqCst) {
            return Err(BlobError { action: "read", key: key.to_owned(), source: "told to".into() });
        }
        let reading = self.1.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.1.most_reading.fetch_max(reading, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.1.reading.fetch_sub(1, Ordering::SeqCst);
        let content = self.0.get(key).await?;
        self.1.gets.fetch_add(1, Ordering::SeqCst);
        let size = content.as_ref().map_or(0, |content| content.len() as u64);
        let now = self.1.now.fetch_add(size, Ordering::SeqCst) + size;
        self.1.most.fetch_max(now, Ordering::SeqCst);
        Ok(content)
    }

    async fn link(&self, _: &str, _: Timestamp, _: Duration) -> Result<Option<String>, BlobError> {
        Ok(None)
    }
}

/// An attempt: which event, when it began, and the link if there was one.
type Arrival = (String, Duration, Option<String>);

/// A receiver that takes as long as its endpoint's configuration says, and gets links if that says so.
struct Receiver {
    began: Instant,
    held: Arc<Held>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    takes: Duration,
    link_ttl: Option<Duration>,
}

#[async_trait]
impl Destination for Receiver {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        let (size, link) = match job.content {
            Content::Data(data) => (data.len() as u64, None),
            Content::Link(link) => (0, Some(link.url.clone())),
        };
        self.arrivals.lock().unwrap().push((job.event.id.to_string(), self.began.elapsed(), link));
        tokio::time::sleep(self.takes).await;
        self.held.now.fetch_sub(size, Ordering::SeqCst);
        AttemptResult {
            outcome: Outcome::Delivered,
            request: RequestRecord::default(),
            response: None,
            error: None,
            retry_after: None,
        }
    }

    fn link_ttl(&self) -> Option<Duration> {
        self.link_ttl
    }
}

/// A worker, what feeds it, and what it holds.
struct Rig {
    began: Instant,
    tenant: TenantId,
    held: Arc<Held>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    queue: Arc<HeldQueue>,
    manage: ManageEndpoints,
    ingest: Ingest,
    fan_out: FanOut,
    deliver: Deliver,
    read: ReadData,
}

impl Rig {
    fn new(has_links: bool) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(Instant::now()));
        let table: Arc<dyn Table> = Arc::new(EmbeddedTable::in_memory().unwrap());
        let (queue, entropy) = (Arc::new(HeldQueue::default()), Arc::new(SystemEntropy));
        let (held, arrivals) = (Arc::new(Held::default()), Arc::new(Mutex::default()));
        let blobs: Arc<dyn Blobs> = Arc::new(CountedBlobs(MemoryBlobs::default(), held.clone()));
        let of_receivers = (Instant::now(), held.clone(), arrivals.clone());
        let receivers: Arc<dyn Channel> = Arc::new(OpensWith(move |config: &Value| {
            let (began, held, arrivals) = of_receivers.clone();
            let takes = Duration::from_secs(config["takes"].as_u64().unwrap_or_default());
            let link_ttl = config["link_ttl"].as_u64().map(Duration::from_secs);
            Arc::new(Receiver { began, held, arrivals, takes, link_ttl }) as Arc<dyn Destination>
        }));
        let vault = Arc::new(LocalVault::in_memory(&SystemEntropy, None));
        let secrets = Secrets::new(vault.clone(), entropy.clone());
        let (endpoints, events) = (Endpoints::new(table.clone()), Events::new(table.clone()));
        let (deliveries, dead_letters) = (Deliveries::new(table.clone()), DeadLetters::new(table.clone()));
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters,
            queue.clone(),
            clock.clone(),
        );
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let open = OpenEndpoints::new(endpoints.clone(), secrets.clone(), receivers.clone(), clock.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let links =
            has_links.then(|| DataLinks::new("https://events.example.com".parse().unwrap(), vault.clone()));
        let deliver = Deliver::new(
            deliveries.clone(),
            open,
            status,
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            entropy.clone(),
        );
        Self {
            began: Instant::now(),
            tenant: "acme".parse().unwrap(),
            manage: ManageEndpoints::new(
                endpoints.clone(),
                Channels::new(vec![receivers]),
                secrets,
                clock.clone(),
                entropy.clone(),
            ),
            ingest: Ingest::new(
                events.clone(),
                endpoints.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy,
            ),
            fan_out: FanOut::new(
                endpoints,
                deliveries,
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                release,
                RunJobs::new(Jobs::new(table), redeliver),
            ),
            deliver: deliver.linking(links),
            read: ReadData::new(events, blobs, vault, clock),
            held,
            arrivals,
            queue,
        }
    }

    async fn endpoint(&self, config: Value) -> EndpointId {
        self.endpoint_with(config, Changes::default()).await
    }

    async fn endpoint_with(&self, config: Value, others: Changes) -> EndpointId {
        let everything = Subscription { pattern: "*".parse().unwrap(), filter: None };
        let fields = Changes {
            name: Some("test".to_owned()),
            config: Some(config),
            subscriptions: others.subscriptions.or(Some(vec![everything])),
            ..others
        };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(&self.tenant, new).await.unwrap().0.endpoint.id
    }

    /// Publishes events of the largest size with these ids, and makes their deliveries.
    async fn publish(&self, ids: impl IntoIterator<Item = String>) -> Vec<OutgoingMessage> {
        let data = format!(r#"{{"text":"{}","last":1.10}}"#, "x".repeat(LARGEST - 23));
        assert_eq!(data.len(), LARGEST);
        for id in ids {
            // A millisecond apart: within one there is no order.
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.ingest.accept(&self.tenant, publication(Some(&id), &data)).await.unwrap();
        }
        let events = self.queue.take(QueueName::Events);
        assert!(self.fan_out.handle(records(&events, 1)).await.is_empty());
        self.queue.take(WEBHOOK)
    }

    fn arrived(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }
}

fn records(messages: &[OutgoingMessage], receive_count: u32) -> Vec<QueueRecord> {
    let record = |(index, message): (usize, &OutgoingMessage)| QueueRecord {
        message_id: index.to_string(),
        body: message.body.clone().written(),
        receive_count,
    };
    messages.iter().enumerate().map(record).collect()
}

fn ten() -> impl Iterator<Item = String> {
    (0..10).map(|number| format!("e{number}"))
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_the_largest_events_is_attempted_a_few_at_a_time() {
    let rig = Rig::new(false);
    for _ in 0..4 {
        rig.endpoint(json!({"takes": 1})).await;
    }
    let messages = rig.publish(ten()).await;
    assert_eq!(messages.len(), 40);
    assert!(rig.deliver.handle(records(&messages, 1)).await.is_empty());
    assert_eq!(rig.arrived().len(), 40, "in one go: the receivers are quick enough");
    let most = rig.held.most.load(Ordering::SeqCst);
    assert!((25_000_000..=32_000_000).contains(&most), "{most} bytes were held");
    assert_eq!(rig.held.now.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_for_long_goes_back_to_the_queue_and_comes_by_later() {
    let rig = Rig::new(false);
    rig.endpoint(json!({"takes": 30})).await;
    let mut messages = rig.publish(ten()).await;
    let mut rounds = 0;
    while !messages.is_empty() {
        rounds += 1;
        assert!(rounds < 20, "it does not end");
        let began = Instant::now();
        assert!(rig.deliver.handle(records(&messages, 1)).await.is_empty(), "nothing has failed");
        // As long as the function may run, less what it takes to read 5 MB and to answer.
        assert!(began.elapsed() <= Duration::from_secs(41), "{:?}", began.elapsed());
        messages = rig.queue.take(WEBHOOK);
        for message in &messages {
            let Ok(ChannelMessage::Deliver(deliver)) = message.body.channel() else { panic!() };
            assert!(deliver.returned && deliver.attempt == 1);
            let delay = message.delay.as_secs_f64();
            assert!((5.0..=10.0).contains(&delay), "{delay}");
        }
        tokio::time::sleep(messages.iter().map(|message| message.delay).max().unwrap_or_default()).await;
    }
    let mut counts = BTreeMap::new();
    for (id, ..) in rig.arrived() {
        *counts.entry(id).or_insert(0) += 1;
    }
    assert_eq!(counts, ten().map(|id| (id, 1)).collect());
    let most = rig.held.most.load(Ordering::SeqCst);
    assert_eq!(most, 15_000_000, "half of the room is one endpoint's");
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_of_large_events_does_not_hold_up_those_of_others() {
    let rig = Rig::new(false);
    rig.endpoint(json!({"takes": 30})).await;
    let mut messages = rig.publish(ten()).await;
    rig.endpoint(json!({})).await;
    messages.extend(rig.publish(["other".to_owned()]).await);
    let began = Instant::now();
    assert!(rig.deliver.handle(records(&messages, 1)).await.is_empty());
    let before = began.duration_since(rig.began);
    let arrived = rig.arrived();
    let others = arrived.iter().filter(|(id, ..)| id == "other").map(|(_, at, _)| *at - before).min();
    assert!(others.is_some_and(|at| at < Duration::from_secs(1)), "{arrived:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_gets_links_has_nothing_loaded_and_waits_for_no_room() {
    let rig = Rig::new(true);
    rig.endpoint(json!({"takes": 30, "link_ttl": 3600})).await;
    let messages = rig.publish(ten()).await;
    assert!(rig.deliver.handle(records(&messages, 1)).await.is_empty());
    let arrived = rig.arrived();
    assert_eq!(arrived.len(), 10);
    assert!(arrived.iter().all(|(_, at, _)| *at == arrived[0].1), "{arrived:?}");
    assert_eq!(rig.held.gets.load(Ordering::SeqCst), 0, "no blob was read");
    for (id, _, link) in arrived {
        let link = link.unwrap();
        let (token, signature) =
            link.strip_prefix("https://events.example.com/d/").unwrap().split_once("?signature=").unwrap();
        let found = rig.read.of_link(token, signature).await.unwrap();
        assert_eq!(found.bytes(), LARGEST as u64, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_link_can_be_made_the_delivery_waits_until_one_can() {
    let rig = Rig::new(false);
    rig.endpoint(json!({"link_ttl": 3600})).await;
    let messages = rig.publish(["e0".to_owned()]).await;
    assert_eq!(rig.deliver.handle(records(&messages, 1)).await, ["0"]);
    assert!(rig.arrived().is_empty(), "no broken link is sent");
    let url = "https://events.example.com".parse().unwrap();
    let links = DataLinks::new(url, Arc::new(LocalVault::in_memory(&SystemEntropy, None)));
    let deliver = rig.deliver.linking(Some(links));
    tokio::time::sleep(Duration::from_secs(360)).await;
    assert!(deliver.handle(records(&messages, 2)).await.is_empty());
    assert_eq!(rig.arrivals.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn data_that_cannot_be_read_gives_its_room_back_and_is_attempted_later() {
    let rig = Rig::new(false);
    rig.endpoint(json!({})).await;
    let messages = rig.publish(ten()).await;
    rig.held.fails.store(true, Ordering::SeqCst);
    assert_eq!(rig.deliver.handle(records(&messages, 1)).await.len(), 10);
    rig.held.fails.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(360)).await;
    assert!(rig.deliver.handle(records(&messages, 2)).await.is_empty());
    assert_eq!(rig.arrived().len(), 10);
    assert!(rig.queue.take(WEBHOOK).is_empty(), "there was room for all of them");
}

#[tokio::test(start_paused = true)]
async fn filters_look_into_the_largest_events_a_few_at_a_time() {
    let rig = Rig::new(false);
    let filter = |text: &str| Some(postrider_domain::Filter::parse(text).unwrap());
    let wanting = |text: &str| {
        let subscription = Subscription { pattern: "*".parse().unwrap(), filter: filter(text) };
        Changes { subscriptions: Some(vec![subscription]), ..Changes::default() }
    };
    let matching = rig.endpoint_with(json!({}), wanting(r#"{"last":{"eq":1.1}}"#)).await;
    rig.endpoint_with(json!({}), wanting(r#"{"last":{"eq":1.2}}"#)).await;
    let messages = rig.publish(ten()).await;
    assert_eq!(messages.len(), 10);
    for message in &messages {
        let Ok(ChannelMessage::Deliver(deliver)) = message.body.channel() else { panic!() };
        assert_eq!(deliver.endpoint, matching);
    }
    assert_eq!(rig.held.gets.load(Ordering::SeqCst), 10, "each is read once for all filters");
    assert_eq!(rig.held.most_reading.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn the_largest_events_of_an_ordered_endpoint_stay_in_order_when_there_is_no_room() {
    let mut rig = Rig::new(false);
    // Two of the largest at a time.
    rig.deliver = rig.deliver.payload_room(10_000_000);
    for _ in 0..2 {
        rig.endpoint(json!({"takes": 30})).await;
    }
    let slow = rig.publish(["slow".to_owned()]).await;
    let ordered = Changes { in_order: Some(true), ..Changes::default() };
    let ordered = rig.endpoint_with(json!({}), ordered).await;
    let mut messages: Vec<_> = rig.publish(["o0", "o1", "o2"].map(str::to_owned)).await;
    messages.retain(|message| message.body.text().contains(&ordered.to_string()));
    let deliver = &rig.deliver;
    let busy = deliver.handle(records(&slow, 1));
    let in_order = async {
        let mut rounds = 0;
        while !messages.is_empty() {
            tokio::time::sleep(messages.iter().map(|message| message.delay).max().unwrap_or_default()).await;
            assert!(deliver.handle(records(&messages, 1)).await.is_empty());
            messages = rig.queue.take(WEBHOOK);
            rounds += 1;
            assert!(rounds < 50, "it does not end");
        }
        rounds
    };
    let (failed, rounds) = futures::join!(busy, in_order);
    assert!(failed.is_empty() && rounds > 1, "{rounds} rounds");
    let arrived = rig.arrived();
    let own: Vec<_> = arrived.iter().map(|(id, ..)| id.as_str()).filter(|id| *id != "slow").collect();
    assert_eq!(own, ["o0", "o1", "o2"]);
}
