//! Several instances at work on one table and one set of queues, in virtual time: it stands while anybody is busy
//! and jumps to the next moment somebody waits for, so that hours pass in seconds and every run is the same.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::{Ingest, Publication};
use postrider_application::jobs::RunJobs;
use postrider_application::messages::ChannelMessage;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Write};
use postrider_application::ports::{
    AttemptJob, AttemptResult, Channel, Channels, Clock, Destination, OutgoingMessage, Queue, QueueError,
    QueueName, Table, TableError, TableName,
};
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs};
use postrider_application::system::SystemEntropy;
use postrider_domain::delivery::RequestRecord;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, EndpointId, Outcome, RateLimit, Subscription, TenantId, Timestamp};
use postrider_embedded::queue::Handler;
use postrider_embedded::{
    EmbeddedTable, EventSource, EventSourceConfig, Grouping, LocalQueues, LocalVault, MemoryBlobs,
};
use postrider_testkit::channel::OpensWith;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The runtime's time, which is paused.
pub(crate) struct RuntimeClock(pub(crate) Instant);

#[async_trait]
impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_770_000_000_000).after(self.0.elapsed())
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// Counts the writes of buckets, those that failed included, and fails when it is told to.
pub(crate) struct CountingTable {
    table: EmbeddedTable,
    pub(crate) bucket_writes: AtomicUsize,
    /// So many of the next writes of buckets fail.
    pub(crate) throttled: AtomicUsize,
}

#[async_trait]
impl Table for CountingTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        self.table.get(table, key, consistent).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        self.table.batch_get(table, keys).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        if put.item.contains("spent_until") {
            self.bucket_writes.fetch_add(1, Ordering::SeqCst);
            let less = |left: usize| left.checked_sub(1);
            if self.throttled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                return Err(TableError::Unavailable { table: put.table, source: "throttled".into() });
            }
        }
        // A write takes a while, in which others write.
        tokio::time::sleep(Duration::from_millis(4)).await;
        self.table.put(put).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.table.transact(writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        self.table.query(query).await
    }
}

/// What was sent to the queues, with delays in whole seconds as SQS has them.
pub(crate) struct CountingQueue {
    queues: Arc<LocalQueues>,
    /// How often a delivery was sent back to wait.
    pub(crate) returned: AtomicUsize,
    /// How often one was sent on because its wait was longer than a queue can hold a message.
    pub(crate) hops: AtomicUsize,
    /// The messages of those that wait.
    waiting: Mutex<HashSet<String>>,
}

#[async_trait]
impl Queue for CountingQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let mut rounded = Vec::with_capacity(messages.len());
        for message in messages {
            if let Ok(ChannelMessage::Deliver(deliver)) = message.body.channel()
                && deliver.returned
            {
                // Who hops keeps its slot.
                let is_new = self.waiting.lock().unwrap().insert(message.body.text().into_owned());
                let counter = if is_new { &self.returned } else { &self.hops };
                counter.fetch_add(1, Ordering::SeqCst);
            }
            let delay = Duration::from_secs(message.delay.as_millis().div_ceil(1_000) as u64);
            rounded.push(OutgoingMessage { delay, ..message });
        }
        self.queues.send(queue, rounded).await
    }
}

/// An attempt that a receiver saw.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) tenant: TenantId,
    pub(crate) event: String,
    pub(crate) at: Timestamp,
}

/// A receiver that takes as long as its endpoint's configuration says.
struct Receiver {
    clock: Arc<dyn Clock>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    takes: Duration,
}

#[async_trait]
impl Destination for Receiver {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        let (tenant, event) = (job.event.tenant.clone(), job.event.id.to_string());
        self.arrivals.lock().unwrap().push(Arrival { tenant, event, at: self.clock.now() });
        self.clock.sleep(self.takes).await;
        let request = RequestRecord::default();
        AttemptResult { outcome: Outcome::Delivered, request, response: None, error: None, retry_after: None }
    }
}

/// All of it.
pub(crate) struct Fleet {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) table: Arc<CountingTable>,
    pub(crate) queue: Arc<CountingQueue>,
    pub(crate) manage: ManageEndpoints,
    ingest: Ingest,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    stop: watch::Sender<bool>,
    sources: JoinSet<()>,
}

impl Fleet {
    /// So many instances, each with so many batches of ten at a time.
    pub(crate) fn start(instances: usize, batches: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(Instant::now()));
        let table = Arc::new(CountingTable {
            table: EmbeddedTable::in_memory().unwrap(),
            bucket_writes: AtomicUsize::new(0),
            throttled: AtomicUsize::new(0),
        });
        let queues = LocalQueues::in_memory(clock.clone());
        let queue = Arc::new(CountingQueue {
            queues: queues.clone(),
            returned: AtomicUsize::new(0),
            hops: AtomicUsize::new(0),
            waiting: Mutex::default(),
        });
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let of_receivers = (clock.clone() as Arc<dyn Clock>, arrivals.clone());
        let receivers: Arc<dyn Channel> = Arc::new(OpensWith(move |config: &Value| {
            let takes = Duration::from_millis(config["takes_ms"].as_u64().unwrap_or_default());
            let (clock, arrivals) = of_receivers.clone();
            Arc::new(Receiver { clock, arrivals, takes }) as Arc<dyn Destination>
        }));
        let (blobs, entropy) = (Arc::new(MemoryBlobs::default()), Arc::new(SystemEntropy));
        let endpoints = Endpoints::new(table.clone());
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let vault = Arc::new(LocalVault::in_memory(&SystemEntropy, None));
        let secrets = Secrets::new(vault, entropy.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            DeadLetters::new(table.clone()),
            queue.clone(),
            clock.clone(),
        );
        let fan_out = Arc::new(FanOut::new(
            endpoints.clone(),
            deliveries.clone(),
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            release,
            RunJobs::new(Jobs::new(table.clone()), redeliver),
        ));
        let (stop, stopped) = watch::channel(false);
        let mut sources = JoinSet::new();
        let mut consume = |queue: QueueName, concurrency: usize, handler: Handler| {
            let grouping = if queue == QueueName::Events { Grouping::Together } else { Grouping::Apart };
            let config = EventSourceConfig {
                batch_size: 10,
                concurrency,
                grouping,
                visibility: Duration::from_secs(90),
            };
            sources.spawn(EventSource::new(queues.clone(), queue, config, handler).run(stopped.clone()));
        };
        consume(
            QueueName::Events,
            8,
            Arc::new(move |records| {
                let fan_out = fan_out.clone();
                Box::pin(async move { fan_out.handle(records).await })
            }),
        );
        for _ in 0..instances {
            let open =
                OpenEndpoints::new(endpoints.clone(), secrets.clone(), receivers.clone(), clock.clone());
            let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
            let deliver = Arc::new(Deliver::new(
                deliveries.clone(),
                open,
                status,
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy.clone(),
            ));
            let handler: Handler = Arc::new(move |records| {
                let deliver = deliver.clone();
                Box::pin(async move { deliver.handle(records).await })
            });
            consume(QueueName::Channel(ChannelKind::Webhook), batches, handler);
        }
        let channels = Channels::new(vec![receivers]);
        let manage =
            ManageEndpoints::new(endpoints.clone(), channels, secrets, clock.clone(), entropy.clone());
        let ingest = Ingest::new(events, endpoints, queue.clone(), blobs, clock.clone(), entropy);
        Self { clock, table, queue, manage, ingest, arrivals, stop, sources }
    }

    /// An endpoint that gets everything of its tenant, whose receiver takes so long.
    pub(crate) async fn endpoint(&self, tenant: &TenantId, limit: RateLimit, takes: Duration) -> EndpointId {
        let subscription = Subscription { pattern: "*".parse().unwrap(), filter: None };
        let fields = Changes {
            name: Some("test".to_owned()),
            config: Some(json!({"takes_ms": takes.as_millis() as u64})),
            subscriptions: Some(vec![subscription]),
            rate_limit: Some(limit),
            ..Changes::default()
        };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(tenant, new).await.unwrap().0.endpoint.id
    }

    /// Publishes so many events.
    pub(crate) async fn publish(&self, tenant: &TenantId, count: usize) -> Vec<String> {
        let publication = || Publication {
            event_id: None,
            event_type: "order.paid".parse().unwrap(),
            data: "{}".parse().unwrap(),
            occurred_at: None,
            source: None,
            correlation_id: None,
            tags: vec![],
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: postrider_domain::Priority::default(),
        };
        let publications = (0..count).map(|_| publication()).collect();
        let accepted = self.ingest.accept_batch(tenant, publications).await;
        accepted.into_iter().map(|accepted| accepted.unwrap().event_id.to_string()).collect()
    }

    /// Waits until so many attempts were made. Answers them.
    pub(crate) async fn arrivals(&self, count: usize) -> Vec<Arrival> {
        for _ in 0..100_000 {
            let arrivals = self.arrivals.lock().unwrap().clone();
            if arrivals.len() >= count {
                return arrivals;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        panic!("{} of {count} arrived", self.arrivals.lock().unwrap().len());
    }

    /// Ends with work left.
    pub(crate) fn abandon(mut self) {
        self.sources.abort_all();
    }

    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.sources.join_next().await.is_some() {}
    }
}
