//! A whole Postrider over metered and faulty ports.

use std::sync::Arc;

use futures::future::join_all;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::{Accepted, Ingest, IngestError, Publication};
use postrider_application::jobs::RunJobs;
use postrider_application::messages::JsonText;
use postrider_application::ports::{Blobs, Channel, Channels, Queue, QueueName, Table};
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs, Tenants, Unreadable};
use postrider_application::system::SystemEntropy;
use postrider_channels::webhook::WebhookChannel;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, Delivery, DeliveryId, EndpointId, RateLimit, Subscription, TenantId};
use postrider_embedded::{EmbeddedTable, LocalVault, MemoryBlobs};
use postrider_testkit::faults::{FaultPlan, FaultyQueue, FaultyTable};
use postrider_testkit::metering::{Meter, MeteredBlobs, MeteredQueue, MeteredTable};
use serde_json::json;

use crate::clock::TestClock;
use crate::queue::TestQueues;
use crate::receiver::Receivers;

/// The queue of webhooks.
pub const WEBHOOK: QueueName = QueueName::Channel(ChannelKind::Webhook);

/// The type of the events that are published.
pub const EVENT_TYPE: &str = "order.payment.succeeded";

/// The queues that have a consumer here.
const CONSUMED: [QueueName; 4] =
    [QueueName::Events, WEBHOOK, QueueName::EventsDead, QueueName::ChannelDead(ChannelKind::Webhook)];

/// What a restart does away with: the functions with what they have in memory.
struct Functions {
    ingest: Ingest,
    fan_out: FanOut,
    deliver: Deliver,
    record: RecordDeadLetter,
}

/// All of it.
pub struct World {
    /// The tenant that everything belongs to.
    pub tenant: TenantId,
    /// The time.
    pub clock: Arc<TestClock>,
    /// What was asked of table, queues and blobs.
    pub meter: Arc<Meter>,
    /// Which calls to table and queues fail.
    pub plan: Arc<FaultPlan>,
    /// The table, with what failing lost.
    pub table: Arc<FaultyTable>,
    /// The queues' content.
    pub queues: Arc<TestQueues>,
    /// The receivers.
    pub receivers: Arc<Receivers>,
    /// The deliveries, not counted and without faults.
    pub deliveries: Deliveries,
    /// The dead letters, not counted and without faults.
    pub dead_letters: DeadLetters,
    manage: ManageEndpoints,
    metered_queue: Arc<MeteredQueue>,
    queue: Arc<dyn Queue>,
    blobs: Arc<dyn Blobs>,
    secrets: Secrets,
    webhook: Arc<dyn Channel>,
    functions: Functions,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty one.
    pub fn new() -> Self {
        let (clock, meter) = (Arc::new(TestClock::default()), Arc::new(Meter::default()));
        let plan = Arc::new(FaultPlan::default());
        let embedded: Arc<dyn Table> = Arc::new(EmbeddedTable::in_memory().unwrap());
        let metered = Arc::new(MeteredTable::new(embedded.clone(), meter.clone()));
        let table = Arc::new(FaultyTable::new(metered, plan.clone()));
        let queues = Arc::new(TestQueues::new(clock.clone()));
        let metered_queue = Arc::new(MeteredQueue::new(queues.clone(), meter.clone()));
        let queue: Arc<dyn Queue> = Arc::new(FaultyQueue::new(metered_queue.clone(), plan.clone()));
        let blobs: Arc<dyn Blobs> =
            Arc::new(MeteredBlobs::new(Arc::new(MemoryBlobs::default()), meter.clone()));
        let receivers = Arc::new(Receivers::new(clock.clone()));
        let webhook: Arc<dyn Channel> = Arc::new(WebhookChannel::new(receivers.clone()));
        let vault = Arc::new(LocalVault::in_memory(&SystemEntropy, None));
        let secrets = Secrets::new(vault, Arc::new(SystemEntropy));
        let channels = Channels::new(vec![webhook.clone()]);
        let manage = ManageEndpoints::new(
            Endpoints::new(embedded.clone()),
            channels,
            secrets.clone(),
            clock.clone(),
            Arc::new(SystemEntropy),
        );
        let ports = Ports { table: table.clone(), queue: &queue, blobs: &blobs, clock: &clock };
        Self {
            tenant: "acme-corporation".parse().unwrap(),
            functions: ports.functions(&secrets, &webhook),
            deliveries: Deliveries::new(embedded.clone()),
            dead_letters: DeadLetters::new(embedded),
            clock,
            meter,
            plan,
            table,
            queues,
            receivers,
            manage,
            metered_queue,
            queue,
            blobs,
            secrets,
            webhook,
        }
    }

    /// Lets every function start anew, with nothing in memory.
    pub fn restart(&mut self) {
        let ports =
            Ports { table: self.table.clone(), queue: &self.queue, blobs: &self.blobs, clock: &self.clock };
        self.functions = ports.functions(&self.secrets, &self.webhook);
    }

    /// Adds webhook endpoints that get every event, with a URL of usual length each.
    pub async fn add_endpoints(&self, count: usize) -> Vec<EndpointId> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            let subscription = Subscription { pattern: EVENT_TYPE.parse().unwrap(), filter: None };
            let url = format!("https://api.customer-{number:05}.example.com/webhooks/postrider/orders");
            let fields = Changes {
                name: Some("orders".to_owned()),
                config: Some(json!({ "url": url })),
                subscriptions: Some(vec![subscription]),
                rate_limit: Some(RateLimit { per_second: 100_000.0, burst: 100_000 }),
                ..Changes::default()
            };
            let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
            ids.push(self.manage.create(&self.tenant, new).await.unwrap().0.endpoint.id);
        }
        ids
    }

    /// Publishes events with 1 KB of data in one request, for everyone who subscribed.
    pub async fn publish(&self, ids: &[Option<&str>]) -> Vec<Result<Accepted, IngestError>> {
        let publications = ids.iter().map(|id| publication(*id, Audience::Subscribers));
        self.functions.ingest.accept_batch(&self.tenant, publications.collect()).await
    }

    /// Publishes an event with 1 KB of data.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn publish_to(&self, audience: Audience) -> Result<Accepted, IngestError> {
        self.functions.ingest.accept(&self.tenant, publication(None, audience)).await
    }

    /// Hands one batch of a queue to its function. Answers how many messages there were and how many failed.
    pub async fn run_batch(&self, queue: QueueName) -> (usize, usize) {
        let batch = self.queues.receive(queue);
        if batch.is_empty() {
            return (0, 0);
        }
        let sizes: Vec<_> = batch.iter().map(|record| record.body.text().len()).collect();
        let mut ids: Vec<_> = batch.iter().map(|record| record.message_id.clone()).collect();
        let functions = &self.functions;
        let failed = match queue {
            QueueName::Events => functions.fan_out.handle(batch).await,
            QueueName::EventsDead => functions.record.handle(batch).await,
            QueueName::Channel(_) | QueueName::Express(_) => functions.deliver.handle(batch).await,
            QueueName::ChannelDead(_) => functions.record.handle(batch).await,
        };
        ids.retain(|id| !failed.contains(id));
        self.queues.remove(queue, &ids);
        self.metered_queue.batch_handled(queue, &sizes, failed.len());
        (sizes.len(), failed.len())
    }

    /// Hands out all that is visible in a queue, ten batches at a time. Answers the number of batches.
    pub async fn work_off(&self, queue: QueueName) -> usize {
        let mut batches = 0;
        loop {
            let ran = join_all((0..10).map(|_| self.run_batch(queue))).await;
            let count = ran.iter().filter(|(messages, _)| *messages > 0).count();
            if count == 0 {
                return batches;
            }
            batches += count;
        }
    }

    /// Deals with everything that is in the queues, delays and redeliveries included. After a batch in which
    /// something failed, no call fails any more, and the functions start anew.
    pub async fn settle(&mut self) {
        self.settle_with(true).await;
    }

    /// The same, but what fails goes on failing.
    pub async fn settle_among_faults(&mut self) {
        self.settle_with(false).await;
    }

    async fn settle_with(&mut self, recovers: bool) {
        for _ in 0..10_000 {
            let mut is_idle = true;
            for queue in CONSUMED {
                let (messages, failed) = self.run_batch(queue).await;
                is_idle &= messages == 0;
                if failed > 0 && recovers {
                    self.plan.recover();
                    self.restart();
                }
            }
            if is_idle {
                match self.queues.next_visible() {
                    Some(moment) => self.clock.forward_to(moment),
                    None => return,
                }
            }
        }
        panic!("the queues never became empty");
    }

    /// How the delivery of an event to an endpoint stands.
    pub async fn delivery(&self, accepted: &Accepted, endpoint: EndpointId) -> Option<Delivery> {
        let id = DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint);
        self.deliveries.get(&self.tenant, id).await.unwrap()
    }
}

fn publication(id: Option<&str>, audience: Audience) -> Publication {
    Publication {
        event_id: id.map(|id| id.parse().unwrap()),
        event_type: EVENT_TYPE.parse().unwrap(),
        data: data(1024),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    }
}

struct Ports<'a> {
    table: Arc<dyn Table>,
    queue: &'a Arc<dyn Queue>,
    blobs: &'a Arc<dyn Blobs>,
    clock: &'a Arc<TestClock>,
}

impl Ports<'_> {
    fn functions(&self, secrets: &Secrets, webhook: &Arc<dyn Channel>) -> Functions {
        let (queue, blobs, clock) = (self.queue.clone(), self.blobs.clone(), self.clock.clone());
        let entropy = Arc::new(SystemEntropy);
        let endpoints = Endpoints::new(self.table.clone());
        let (events, deliveries) = (Events::new(self.table.clone()), Deliveries::new(self.table.clone()));
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let (dead_letters, jobs) = (DeadLetters::new(self.table.clone()), Jobs::new(self.table.clone()));
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters.clone(),
            queue.clone(),
            clock.clone(),
        );
        let open = OpenEndpoints::new(endpoints.clone(), secrets.clone(), webhook.clone(), clock.clone());
        Functions {
            ingest: Ingest::new(
                events,
                endpoints.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy.clone(),
            ),
            fan_out: FanOut::new(
                endpoints,
                deliveries.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                release,
                RunJobs::new(jobs.clone(), redeliver),
            ),
            deliver: Deliver::new(deliveries.clone(), open, status, queue, blobs, clock.clone(), entropy),
            record: RecordDeadLetter::new(
                deliveries,
                dead_letters,
                jobs,
                Tenants::new(self.table.clone()),
                Unreadable::new(self.table.clone()),
                clock,
            ),
        }
    }
}

/// JSON text of exactly this many bytes, as an order's payment might look.
fn data(bytes: usize) -> JsonText {
    let head = r#"{"order_id":"ord_8XK2M4","amount":129.90,"currency":"EUR","customer":{"id":"cus_31","country":"DE"},"note":""#;
    let filler = bytes - head.len() - 2;
    let mut text = head.to_owned();
    text.extend("The quick brown fox jumps over the lazy dog. ".chars().cycle().take(filler));
    text.push_str("\"}");
    assert_eq!(text.len(), bytes);
    text.try_into().unwrap()
}
