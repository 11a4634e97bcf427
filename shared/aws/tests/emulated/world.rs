//! The use cases on the adapters: ingest, fan-out and deliver, with a receiver that counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::{Accepted, Ingest, IngestError, Publication};
use postrider_application::jobs::RunJobs;
use postrider_application::ports::{
    AttemptJob, AttemptResult, Channel, Channels, Clock, Destination, OutgoingMessage, Queue, QueueError,
    QueueName, QueueRecord,
};
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs};
use postrider_application::system::{SystemClock, SystemEntropy};
use postrider_aws::SqsQueues;
use postrider_domain::delivery::RequestRecord;
use postrider_domain::event::Audience;
use postrider_domain::{
    ChannelKind, EndpointId, Outcome, RateLimit, RetryPolicy, Subscription, TenantId, Timestamp,
};
use postrider_testkit::channel::OpensWith;
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::faults::Faulty;

pub(crate) const WEBHOOK: QueueName = QueueName::Channel(ChannelKind::Webhook);

/// Begins at the present, because the emulator removes what has expired, and stands until it is moved.
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

/// Sends without delay: the clock is what makes messages wait.
struct Undelayed(SqsQueues);

#[async_trait]
impl Queue for Undelayed {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let undelayed = |message| OutgoingMessage { delay: Duration::ZERO, ..message };
        self.0.send(queue, messages.into_iter().map(undelayed).collect()).await
    }
}

/// A receiver that counts its calls by event, and fails at the first one of every fourth event.
#[derive(Default)]
pub(crate) struct Receiver {
    calls: Mutex<HashMap<String, usize>>,
}

impl Receiver {
    pub(crate) fn calls(&self) -> HashMap<String, usize> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Destination for Receiver {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        let event = job.event.id.to_string();
        let fails = event.ends_with(['0', '4', '8']);
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(event).or_default();
        *count += 1;
        let outcome = if fails && *count == 1 { Outcome::Retry } else { Outcome::Delivered };
        AttemptResult {
            outcome,
            request: RequestRecord::default(),
            response: None,
            error: None,
            retry_after: None,
        }
    }
}

/// All of it, on stores that fail.
pub(crate) struct World {
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) receiver: Arc<Receiver>,
    ingest: Ingest,
    fan_out: FanOut,
    deliver: Deliver,
    manage: ManageEndpoints,
    /// What is really there.
    pub(crate) deliveries: Deliveries,
    pub(crate) events: Events,
    deployment: Deployment,
}

impl World {
    pub(crate) fn new(faulty: &Faulty) -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(SystemClock.now().as_millis())));
        let receiver = Arc::new(Receiver::default());
        let (table, direct) = (Arc::new(faulty.table()), Arc::new(faulty.direct_table()));
        let queue = Arc::new(Undelayed(faulty.deployment.queues(&faulty.clients)));
        let blobs = Arc::new(faulty.deployment.blobs(&faulty.clients));
        let entropy = Arc::new(SystemEntropy);
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let endpoints = Endpoints::new(table.clone());
        let vault = Arc::new(faulty.deployment.vault(&faulty.clients, clock.clone()));
        let secrets = Secrets::new(vault, entropy.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            DeadLetters::new(table.clone()),
            queue.clone(),
            clock.clone(),
        );
        let jobs = RunJobs::new(Jobs::new(table), redeliver);
        let opened = receiver.clone();
        let open = move |_: &Value| opened.clone() as Arc<dyn Destination>;
        let shared: Arc<dyn Channel> = Arc::new(OpensWith(open));
        let open = OpenEndpoints::new(endpoints.clone(), secrets.clone(), shared.clone(), clock.clone());
        Self {
            tenant: "acme".parse().unwrap(),
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
                jobs,
            ),
            deliver: Deliver::new(deliveries, open, status, queue, blobs, clock.clone(), entropy.clone()),
            manage: ManageEndpoints::new(
                Endpoints::new(direct.clone()),
                Channels::new(vec![shared]),
                secrets,
                clock.clone(),
                entropy,
            ),
            deliveries: Deliveries::new(direct.clone()),
            events: Events::new(direct),
            deployment: faulty.deployment.clone(),
            clock,
            receiver,
        }
    }

    pub(crate) async fn endpoint(&self) -> EndpointId {
        let subscription = Subscription { pattern: "*".parse().unwrap(), filter: None };
        let fields = Changes {
            name: Some("test".to_owned()),
            config: Some(json!({})),
            subscriptions: Some(vec![subscription]),
            rate_limit: Some(RateLimit { per_second: 100_000.0, burst: 100_000 }),
            retry: Some(RetryPolicy::default()),
            ..Changes::default()
        };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(&self.tenant, new).await.unwrap().0.endpoint.id
    }

    pub(crate) async fn publish(&self, id: &str, data: &str) -> Result<Accepted, IngestError> {
        let publication = Publication {
            event_id: Some(id.parse().unwrap()),
            event_type: "order.paid".parse().unwrap(),
            data: data.parse().unwrap(),
            occurred_at: None,
            source: None,
            correlation_id: None,
            tags: vec![],
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: postrider_domain::Priority::default(),
        };
        self.ingest.accept(&self.tenant, publication).await
    }

    /// Hands what is in a queue to its use case, as Lambda's event source does. Answers how many messages
    /// there were.
    pub(crate) async fn deal(&self, queue: QueueName) -> usize {
        let (sqs, url) = (&self.deployment.direct.sqs, &self.deployment.urls[&queue]);
        let request = sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(600);
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let received = request.message_system_attribute_names(count.clone()).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        let records = messages.iter().map(|message| QueueRecord {
            message_id: message.message_id().unwrap().to_owned(),
            body: message.body().unwrap().to_owned().into(),
            receive_count: message.attributes().unwrap()[&count].parse().unwrap(),
        });
        let records = records.collect();
        let failed = match queue {
            QueueName::Events => self.fan_out.handle(records).await,
            _ => self.deliver.handle(records).await,
        };
        for message in &messages {
            let receipt = message.receipt_handle().unwrap();
            if failed.iter().any(|id| Some(id.as_str()) == message.message_id()) {
                let again = sqs.change_message_visibility().queue_url(url).receipt_handle(receipt);
                again.visibility_timeout(0).send().await.unwrap();
            } else {
                sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await.unwrap();
            }
        }
        messages.len()
    }
}
