//! A whole Postrider without programs: table, queue, clock and one kind of destination.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::{Accepted, Ingest, IngestError, Publication};
use postrider_application::ports::{
    AttemptJob, AttemptResult, Channel, Channels, Clock, Destination, OutgoingMessage, Queue, QueueError,
    QueueName, QueueRecord,
};
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::schedule::Schedule;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Tenants};
use postrider_application::system::SystemEntropy;
use postrider_domain::delivery::RequestRecord;
use postrider_domain::event::Audience;
use postrider_domain::signature::KeyRing;
use postrider_domain::{
    ChannelKind, Delivery, DeliveryId, EndpointId, FieldProblem, Outcome, RetryPolicy, Subscription,
    TenantId, Timestamp,
};
use postrider_embedded::{EmbeddedTable, LocalVault, MemoryBlobs};
use serde_json::{Value, json};

pub(crate) const WEBHOOK: QueueName = QueueName::Channel(ChannelKind::Webhook);
pub(crate) const WEBHOOK_DEAD: QueueName = QueueName::ChannelDead(ChannelKind::Webhook);

/// Stands until it is moved.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {}
}

/// Keeps what was sent, and refuses when it is told to.
#[derive(Default)]
pub(crate) struct HeldQueue {
    messages: Mutex<HashMap<QueueName, VecDeque<OutgoingMessage>>>,
    pub(crate) is_down: AtomicBool,
    /// Messages with this text in them are refused.
    pub(crate) refused: Mutex<Option<String>>,
}

impl HeldQueue {
    pub(crate) fn take(&self, queue: QueueName) -> Vec<OutgoingMessage> {
        self.messages.lock().unwrap().remove(&queue).unwrap_or_default().into()
    }
}

#[async_trait]
impl Queue for HeldQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        if self.is_down.load(Ordering::SeqCst) {
            let down = || QueueError::Unavailable { queue, source: "down".into() };
            return messages.iter().map(|_| Err(down())).collect();
        }
        let refused = self.refused.lock().unwrap().clone();
        let is_refused =
            |message: &OutgoingMessage| refused.as_ref().is_some_and(|text| message.body.contains(text));
        let result = |message| {
            let down = || QueueError::Unavailable { queue, source: "refused".into() };
            if is_refused(message) { Err(down()) } else { Ok(()) }
        };
        let results = messages.iter().map(result).collect();
        let taken = messages.into_iter().filter(|message| !is_refused(message));
        self.messages.lock().unwrap().entry(queue).or_default().extend(taken);
        results
    }
}

/// A receiver that answers what it is told, success otherwise, and counts.
#[derive(Default)]
pub(crate) struct TestChannel {
    answers: Mutex<VecDeque<Outcome>>,
    calls: Mutex<Vec<String>>,
}

impl TestChannel {
    pub(crate) fn answer(&self, outcomes: &[Outcome]) {
        self.answers.lock().unwrap().extend(outcomes);
    }

    /// The ids of the events that the receiver was called with so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

struct Shared(Arc<TestChannel>);

impl Channel for Shared {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn check(&self, _: &Value) -> Result<(), Vec<FieldProblem>> {
        Ok(())
    }

    fn mask(&self, config: &Value) -> Value {
        config.clone()
    }

    fn open(&self, _: &Value, _: KeyRing) -> Result<Arc<dyn Destination>, Vec<FieldProblem>> {
        Ok(Arc::new(Shared(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Destination for Shared {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        self.0.calls.lock().unwrap().push(job.event.id.to_string());
        // A receiver takes its time, in which others are at work.
        tokio::task::yield_now().await;
        let outcome = self.0.answers.lock().unwrap().pop_front().unwrap_or(Outcome::Delivered);
        let error = (outcome != Outcome::Delivered).then(|| "told to fail".to_owned());
        AttemptResult { outcome, request: RequestRecord::default(), response: None, error, retry_after: None }
    }
}

/// All of it.
pub(crate) struct World {
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) queue: Arc<HeldQueue>,
    pub(crate) channel: Arc<TestChannel>,
    pub(crate) ingest: Ingest,
    pub(crate) fan_out: FanOut,
    pub(crate) deliver: Deliver,
    pub(crate) record: RecordDeadLetter,
    pub(crate) manage: ManageEndpoints,
    pub(crate) status: ChangeStatus,
    pub(crate) redeliver: Redeliver,
    pub(crate) events: Events,
    pub(crate) deliveries: Deliveries,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) endpoints: Endpoints,
    pub(crate) tenants: Tenants,
    pub(crate) schedule: Schedule,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_770_000_000_000)));
        let (queue, channel) = (Arc::new(HeldQueue::default()), Arc::new(TestChannel::default()));
        let table = Arc::new(EmbeddedTable::in_memory().unwrap());
        let blobs = Arc::new(MemoryBlobs::default());
        let entropy = Arc::new(SystemEntropy);
        let endpoints = Endpoints::new(table.clone());
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let (dead_letters, tenants) = (DeadLetters::new(table.clone()), Tenants::new(table));
        let vault = Arc::new(LocalVault::in_memory(&SystemEntropy, None));
        let secrets = Secrets::new(vault, entropy.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let shared: Arc<dyn Channel> = Arc::new(Shared(channel.clone()));
        let open = OpenEndpoints::new(endpoints.clone(), secrets.clone(), shared.clone(), clock.clone());
        Self {
            tenant: "acme".parse().unwrap(),
            ingest: Ingest::new(
                events.clone(),
                endpoints.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy.clone(),
            ),
            fan_out: FanOut::new(
                endpoints.clone(),
                deliveries.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                release,
            ),
            deliver: Deliver::new(
                deliveries.clone(),
                open,
                status.clone(),
                queue.clone(),
                blobs,
                clock.clone(),
                entropy.clone(),
            ),
            record: RecordDeadLetter::new(deliveries.clone(), dead_letters.clone(), clock.clone()),
            manage: ManageEndpoints::new(
                endpoints.clone(),
                Channels::new(vec![shared]),
                secrets,
                clock.clone(),
                entropy,
            ),
            status,
            redeliver: Redeliver::new(
                endpoints.clone(),
                deliveries.clone(),
                events.clone(),
                dead_letters.clone(),
                queue.clone(),
                clock.clone(),
            ),
            schedule: Schedule::new(deliveries.clone(), events.clone(), queue.clone(), clock.clone()),
            events,
            deliveries,
            dead_letters,
            endpoints,
            tenants,
            clock,
            queue,
            channel,
        }
    }

    pub(crate) async fn endpoint(&self, pattern: &str) -> EndpointId {
        self.endpoint_with(pattern, RetryPolicy { jitter: 0.0, ..RetryPolicy::default() }).await
    }

    pub(crate) async fn endpoint_with(&self, pattern: &str, retry: RetryPolicy) -> EndpointId {
        let subscription = Subscription { pattern: pattern.parse().unwrap(), filter: None };
        let fields = Changes {
            name: Some("test".to_owned()),
            config: Some(json!({})),
            subscriptions: Some(vec![subscription]),
            retry: Some(retry),
            ..Changes::default()
        };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(&self.tenant, new).await.unwrap().0.endpoint.id
    }

    pub(crate) async fn publish(&self, id: Option<&str>, data: &str) -> Result<Accepted, IngestError> {
        let publication = Publication {
            event_id: id.map(|id| id.parse().unwrap()),
            event_type: "order.paid".parse().unwrap(),
            data: Bytes::copy_from_slice(data.as_bytes()),
            occurred_at: None,
            source: None,
            correlation_id: None,
            tags: vec![],
            audience: Audience::Subscribers,
        };
        self.ingest.accept(&self.tenant, publication).await
    }

    /// Deals with messages as a function that gets them for the `receive_count`th time. Answers how many
    /// failed.
    pub(crate) async fn deal(
        &self,
        queue: QueueName,
        messages: &[OutgoingMessage],
        receive_count: u32,
    ) -> usize {
        let record = |(index, message): (usize, &OutgoingMessage)| QueueRecord {
            message_id: index.to_string(),
            body: message.body.as_str().into(),
            receive_count,
        };
        let records = messages.iter().enumerate().map(record).collect();
        let failed: HashSet<String> = match queue {
            QueueName::Events => self.fan_out.handle(records).await,
            QueueName::EventsDead => self.record.handle(records).await,
            QueueName::Channel(_) => self.deliver.handle(records).await,
            QueueName::ChannelDead(_) => self.record.handle(records).await,
        }
        .into_iter()
        .collect();
        failed.len()
    }

    /// Deals with everything that is in the queues, delays included, until nothing is left.
    pub(crate) async fn settle(&self) {
        self.settle_by(usize::MAX).await;
    }

    /// The same, at most so many messages at a time.
    pub(crate) async fn settle_by(&self, at_a_time: usize) {
        for _ in 0..100 {
            let mut idle = true;
            for queue in QueueName::all() {
                let mut messages = self.queue.take(queue);
                idle &= messages.is_empty();
                messages.sort_by_key(|message| message.delay);
                let mut waited = Duration::ZERO;
                for due_together in messages.chunk_by(|one, next| one.delay == next.delay) {
                    self.clock.forward(due_together[0].delay - waited);
                    waited = due_together[0].delay;
                    for batch in due_together.chunks(at_a_time) {
                        assert_eq!(self.deal(queue, batch, 1).await, 0, "{queue}");
                    }
                }
            }
            if idle {
                return;
            }
        }
        panic!("the queues never became empty");
    }

    pub(crate) async fn delivery(&self, accepted: &Accepted, endpoint: EndpointId) -> Delivery {
        let id = DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint);
        self.deliveries.get(&self.tenant, id).await.unwrap().expect("the delivery is there")
    }
}
