//! A whole Postrider without programs: table, queue, clock and one kind of destination.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::cancel_event::CancelEvent;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::{Accepted, Ingest, IngestError, Publication};
use postrider_application::jobs::{ManageJobs, RunJobs};
use postrider_application::ports::{
    AttemptJob, AttemptResult, Channel, Channels, Clock, Destination, OutgoingMessage, Queue, QueueError,
    QueueName, QueueRecord, Table,
};
use postrider_application::query::Lookup;
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::schedule::Schedule;
use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_application::stores::{
    Circuits, DeadLetters, Deliveries, Endpoints, Events, Jobs, PageRequest, Tenants, Unreadable,
};
use postrider_application::system::SystemEntropy;
use postrider_domain::delivery::RequestRecord;
use postrider_domain::event::Audience;
use postrider_domain::{
    ChannelKind, Circuit, CircuitRules, Delivery, DeliveryId, DeliveryStatus, EndpointId, Outcome, RateLimit,
    RetryPolicy, Subscription, TenantId, Timestamp,
};
use postrider_embedded::{EmbeddedTable, LocalVault, MemoryBlobs};
use postrider_testkit::channel::OpensWith;
use postrider_testkit::faults::{FaultPlan, FaultyQueue, FaultyTable};
use serde_json::{Value, json};

pub(crate) const WEBHOOK: QueueName = QueueName::Channel(ChannelKind::Webhook);
pub(crate) const WEBHOOK_DEAD: QueueName = QueueName::ChannelDead(ChannelKind::Webhook);

/// Stands until it is moved.
pub(crate) struct TestClock(pub(crate) AtomicU64);

impl TestClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn back(&self, by: Duration) {
        self.0.fetch_sub(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
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
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.lock().unwrap().values().all(VecDeque::is_empty)
    }

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
        let is_refused = |message: &OutgoingMessage| {
            refused.as_ref().is_some_and(|text| message.body.text().contains(text))
        };
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
    /// What is answered when nothing else was told.
    pub(crate) is_broken: AtomicBool,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
}

impl TestChannel {
    pub(crate) fn answer(&self, outcomes: &[Outcome]) {
        self.answers.lock().unwrap().extend(outcomes);
    }

    /// How many calls there were at the same time, at the most, since it was asked last.
    pub(crate) fn most_under_way(&self) -> u64 {
        self.most_under_way.swap(0, Ordering::SeqCst)
    }

    /// The ids of the events that the receiver was called with so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// The channel of which all destinations are this receiver.
fn opening(receiver: Arc<TestChannel>) -> Arc<dyn Channel> {
    Arc::new(OpensWith(move |_: &Value| receiver.clone() as Arc<dyn Destination>))
}

#[async_trait]
impl Destination for TestChannel {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        assert!(!job.event.id.as_str().starts_with("panic"), "the record that crashes its worker");
        self.calls.lock().unwrap().push(job.event.id.to_string());
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        // A receiver takes its time, in which others are at work.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let otherwise =
            if self.is_broken.load(Ordering::SeqCst) { Outcome::Retry } else { Outcome::Delivered };
        let outcome = self.answers.lock().unwrap().pop_front().unwrap_or(otherwise);
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
    pub(crate) lookup: Lookup,
    /// Which calls of the use cases to table and queue fail.
    pub(crate) plan: Arc<FaultPlan>,
    /// The table, without faults.
    pub(crate) table: Arc<dyn Table>,
    secrets: Secrets,
    rules: CircuitRules,
    pub(crate) cancel: CancelEvent,
    pub(crate) jobs: Jobs,
    pub(crate) manage_jobs: ManageJobs,
    pub(crate) unreadable: Unreadable,
    /// What happens to the calls that the worker of jobs makes.
    pub(crate) job_plan: Arc<FaultPlan>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_rules(CircuitRules::default())
    }

    /// A worker over this table, which knows nothing yet.
    pub(crate) fn worker(&self, table: Arc<dyn Table>) -> Deliver {
        let queue = Arc::new(FaultyQueue::new(self.queue.clone(), self.plan.clone()));
        let endpoints = Endpoints::new(table.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), self.clock.clone());
        let channel = opening(self.channel.clone());
        let open = OpenEndpoints::new(endpoints, self.secrets.clone(), channel, self.clock.clone());
        let (blobs, entropy) = (Arc::new(MemoryBlobs::default()), Arc::new(SystemEntropy));
        let deliveries = Deliveries::new(table);
        Deliver::new(deliveries, open, status, queue, blobs, self.clock.clone(), entropy)
            .circuit_rules(self.rules)
    }

    /// A table that fails by the plan.
    pub(crate) fn faulty_table(&self) -> Arc<dyn Table> {
        Arc::new(FaultyTable::new(self.table.clone(), self.plan.clone()))
    }

    pub(crate) fn with_rules(rules: CircuitRules) -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_770_000_000_000)));
        let (held, channel) = (Arc::new(HeldQueue::default()), Arc::new(TestChannel::default()));
        let plan = Arc::new(FaultPlan::default());
        let queue = Arc::new(FaultyQueue::new(held.clone(), plan.clone()));
        let sound: Arc<dyn Table> = Arc::new(EmbeddedTable::in_memory().unwrap());
        let table = Arc::new(FaultyTable::new(sound.clone(), plan.clone()));
        let blobs = Arc::new(MemoryBlobs::default());
        let entropy = Arc::new(SystemEntropy);
        let endpoints = Endpoints::new(table.clone());
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let (dead_letters, tenants) = (DeadLetters::new(table.clone()), Tenants::new(table.clone()));
        let (jobs, unreadable) = (Jobs::new(table.clone()), Unreadable::new(table.clone()));
        let vault = Arc::new(LocalVault::in_memory(&SystemEntropy, None));
        let secrets = Secrets::new(vault, entropy.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters.clone(),
            queue.clone(),
            clock.clone(),
        );
        let job_plan = Arc::new(FaultPlan::default());
        let run_jobs = {
            let table = Arc::new(FaultyTable::new(table.clone(), job_plan.clone()));
            let redeliver = Redeliver::new(
                Endpoints::new(table.clone()),
                Deliveries::new(table.clone()),
                Events::new(table.clone()),
                DeadLetters::new(table.clone()),
                Arc::new(FaultyQueue::new(queue.clone(), job_plan.clone())),
                clock.clone(),
            );
            RunJobs::new(Jobs::new(table), redeliver)
        };
        let shared = opening(channel.clone());
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
                run_jobs,
            ),
            deliver: Deliver::new(
                deliveries.clone(),
                open,
                status.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy.clone(),
            )
            .circuit_rules(rules),
            lookup: Lookup::new(endpoints.clone(), events.clone(), deliveries.clone(), blobs),
            record: RecordDeadLetter::new(
                deliveries.clone(),
                dead_letters.clone(),
                jobs.clone(),
                tenants.clone(),
                unreadable.clone(),
                clock.clone(),
            ),
            manage: ManageEndpoints::new(
                endpoints.clone(),
                Channels::new(vec![shared]),
                secrets.clone(),
                clock.clone(),
                entropy.clone(),
            ),
            status,
            cancel: CancelEvent::new(events.clone(), clock.clone()),
            manage_jobs: ManageJobs::new(jobs.clone(), redeliver.clone(), entropy),
            redeliver,
            jobs,
            unreadable,
            job_plan,
            schedule: Schedule::new(deliveries.clone(), events.clone(), queue.clone(), clock.clone()),
            events,
            deliveries,
            dead_letters,
            endpoints,
            tenants,
            clock,
            queue: held,
            channel,
            plan,
            table: sound,
            secrets,
            rules,
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
            rate_limit: Some(RateLimit { per_second: 100_000.0, burst: 100_000 }),
            ..Changes::default()
        };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(&self.tenant, new).await.unwrap().0.endpoint.id
    }

    /// Has an endpoint take so many deliveries in a second.
    pub(crate) async fn limit(&self, endpoint: EndpointId, per_second: f64) {
        let limit = Changes { rate_limit: Some(RateLimit::steady(per_second)), ..Changes::default() };
        self.manage.update(&self.tenant, endpoint, limit).await.unwrap();
    }

    pub(crate) async fn publish(&self, id: Option<&str>, data: &str) -> Result<Accepted, IngestError> {
        self.ingest.accept(&self.tenant, publication(id, data)).await
    }

    /// Publishes an event that is to be delivered later.
    pub(crate) async fn publish_for(
        &self,
        id: Option<&str>,
        deliver_at: Timestamp,
    ) -> Result<Accepted, IngestError> {
        let publication = Publication { deliver_at: Some(deliver_at), ..publication(id, "{}") };
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
            body: message.body.clone().written(),
            receive_count,
        };
        let records = messages.iter().enumerate().map(record).collect();
        let failed: HashSet<String> = match queue {
            QueueName::Events => self.fan_out.handle(records).await,
            QueueName::EventsDead => self.record.handle(records).await,
            QueueName::Channel(_) | QueueName::Express(_) => self.deliver.handle(records).await,
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

    /// Lets time pass for so many minutes: each minute the schedule runs, and what is due is dealt with.
    pub(crate) async fn live(&self, minutes: u64) {
        for _ in 0..minutes {
            self.schedule.run(Duration::from_secs(60)).await.unwrap();
            self.settle().await;
            self.clock.forward(Duration::from_secs(60));
        }
    }

    /// How many of the deliveries of an endpoint have a status.
    pub(crate) async fn count(&self, endpoint: EndpointId, status: DeliveryStatus) -> usize {
        let filter = DeliveryFilter { status: Some(status), ..DeliveryFilter::default() };
        let (mut count, mut after) = (0, None);
        loop {
            let page = PageRequest { limit: 100, after };
            let list = self.deliveries.list(&self.tenant, &[endpoint], &filter, page).await.unwrap();
            count += list.items.len();
            after = list.next;
            if after.is_none() {
                return count;
            }
        }
    }

    /// The circuit of an endpoint.
    pub(crate) async fn circuit(&self, endpoint: EndpointId) -> Circuit {
        Circuits::new(self.table.clone()).get(&self.tenant, endpoint, true).await.unwrap()
    }

    /// Publishes events named `e000` and so on, a millisecond apart, and makes their deliveries.
    pub(crate) async fn publish_many(&self, names: std::ops::Range<usize>) {
        for number in names {
            self.clock.forward(Duration::from_millis(1));
            self.publish(Some(&format!("e{number:03}")), "{}").await.unwrap();
        }
        let messages = self.queue.take(QueueName::Events);
        assert_eq!(self.deal(QueueName::Events, &messages, 1).await, 0);
    }

    pub(crate) async fn delivery(&self, accepted: &Accepted, endpoint: EndpointId) -> Delivery {
        let id = DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint);
        self.deliveries.get(&self.tenant, id).await.unwrap().expect("the delivery is there")
    }
}

/// An event for all who subscribed.
pub(crate) fn publication(id: Option<&str>, data: &str) -> Publication {
    Publication {
        event_id: id.map(|id| id.parse().unwrap()),
        event_type: "order.paid".parse().unwrap(),
        data: data.parse().unwrap(),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    }
}
