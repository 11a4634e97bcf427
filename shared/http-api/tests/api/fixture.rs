//! The whole system behind the API, with two tenants that know nothing of each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::to_bytes;
use axum::http::Method;
use postrider_application::access::{Authenticator, Keys};
use postrider_application::cancel_event::CancelEvent;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, ManageEndpoints, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::Ingest;
use postrider_application::jobs::{ManageJobs, RunJobs};
use postrider_application::links::{DataLinks, ReadData};
use postrider_application::ports::{
    Blobs, Channel, Channels, Clock, Entropy, Queue, QueueName, QueueRecord, Table, Vault,
};
use postrider_application::publish_limits::PublishLimits;
use postrider_application::query::Lookup;
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::reseal::Reseal;
use postrider_application::stores::{
    ApiKeys, DeadLetters, Deliveries, Endpoints, Events, Jobs, ResealJobs, Tenants, Unreadable,
};
use postrider_application::system::SystemEntropy;
use postrider_channels::webhook::WebhookChannel;
use postrider_domain::ChannelKind;
use postrider_embedded::{LocalVault, MemoryBlobs};
use postrider_http_api::{IngestServices, ManageServices, QueryServices, Services, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::call::{Answer, Call};
use crate::ports::{FragileTable, RecordedQueue, ScriptedReceiver, TickingClock};

pub(crate) const PLATFORM: &str = "platform-key";

/// The keys of one tenant.
pub(crate) struct TenantKeys {
    pub(crate) admin: String,
    pub(crate) publisher: String,
    pub(crate) viewer: String,
}

pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) services: Services,
    fan_out: FanOut,
    deliver: Deliver,
    record: RecordDeadLetter,
    pub(crate) table: Arc<FragileTable>,
    pub(crate) queue: Arc<RecordedQueue>,
    pub(crate) receiver: Arc<ScriptedReceiver>,
    pub(crate) clock: Arc<TickingClock>,
    pub(crate) vault: Arc<LocalVault>,
    pub(crate) acme: TenantKeys,
    pub(crate) other: TenantKeys,
}

impl Api {
    /// The system with the tenants `acme` and `other`, each with a key of every role.
    pub(crate) async fn new() -> Self {
        let fragile = FragileTable::new();
        let recorded = Arc::new(RecordedQueue::default());
        let receiver = Arc::new(ScriptedReceiver::new());
        let ticking = Arc::new(TickingClock::new());
        let (table, queue): (Arc<dyn Table>, Arc<dyn Queue>) = (fragile.clone(), recorded.clone());
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (ticking.clone(), Arc::new(SystemEntropy));
        let blobs: Arc<dyn Blobs> = Arc::new(MemoryBlobs::default());
        let channel: Arc<dyn Channel> = Arc::new(WebhookChannel::new(receiver.clone()).linking(true));
        let channels = Channels::new(vec![channel.clone()]);
        let public_url = "https://events.example.com".parse().unwrap();
        let platform_key = Some(PLATFORM.to_owned().into());
        let local_vault = Arc::new(LocalVault::in_memory(&SystemEntropy, platform_key));
        let vault: Arc<dyn Vault> = local_vault.clone();
        let secrets = Secrets::new(vault.clone(), entropy.clone());
        let (endpoints, events) = (Endpoints::new(table.clone()), Events::new(table.clone()));
        let (deliveries, dead_letters) = (Deliveries::new(table.clone()), DeadLetters::new(table.clone()));
        let (tenants, keys) = (Tenants::new(table.clone()), ApiKeys::new(table.clone()));
        let (jobs, unreadable) = (Jobs::new(table.clone()), Unreadable::new(table.clone()));
        let reseal = Reseal::new(
            endpoints.clone(),
            tenants.clone(),
            ResealJobs::new(table),
            secrets.clone(),
            clock.clone(),
        );

        let authenticator =
            Arc::new(Authenticator::new(keys.clone(), tenants.clone(), vault.clone(), clock.clone()));
        let ingest = Ingest::new(
            events.clone(),
            endpoints.clone(),
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            entropy.clone(),
        );
        let limits = Arc::new(PublishLimits::new(tenants.clone(), clock.clone(), entropy.clone()));
        let ingest = ingest.limited(limits);
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters.clone(),
            queue.clone(),
            clock.clone(),
        );
        let services = Services {
            ingest: IngestServices { authenticator: authenticator.clone(), ingest: ingest.clone() },
            query: QueryServices {
                authenticator: authenticator.clone(),
                data: ReadData::new(events.clone(), blobs.clone(), vault.clone(), clock.clone()),
                lookup: Lookup::new(endpoints.clone(), events.clone(), deliveries.clone(), blobs.clone()),
                endpoints: endpoints.clone(),
                dead_letters: dead_letters.clone(),
                unreadable: unreadable.clone(),
                jobs: jobs.clone(),
                clock: clock.clone(),
            },
            manage: ManageServices {
                authenticator,
                endpoints: endpoints.clone(),
                manage: ManageEndpoints::new(
                    endpoints.clone(),
                    channels,
                    secrets.clone(),
                    clock.clone(),
                    entropy.clone(),
                ),
                status: status.clone(),
                ingest,
                cancel: CancelEvent::new(events.clone(), clock.clone()),
                jobs: ManageJobs::new(jobs.clone(), redeliver.clone(), entropy.clone()),
                redeliver: redeliver.clone(),
                keys: Arc::new(Keys::new(keys, tenants.clone(), clock.clone(), entropy.clone())),
                tenants: tenants.clone(),
                reseal,
                clock: clock.clone(),
            },
        };
        let release = Release::new(endpoints.clone(), deliveries.clone(), events, queue.clone());
        let open = OpenEndpoints::new(endpoints.clone(), secrets, channel, clock.clone());
        let none = || TenantKeys { admin: String::new(), publisher: String::new(), viewer: String::new() };
        let mut api = Self {
            router: router(services.clone()),
            services,
            fan_out: FanOut::new(
                endpoints,
                deliveries.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                release,
                RunJobs::new(jobs.clone(), redeliver),
            ),
            deliver: Deliver::new(deliveries.clone(), open, status, queue, blobs, clock.clone(), entropy)
                .linking(Some(DataLinks::new(public_url, vault))),
            record: RecordDeadLetter::new(deliveries, dead_letters, jobs, tenants, unreadable, clock),
            table: fragile,
            queue: recorded,
            receiver,
            clock: ticking,
            vault: local_vault,
            acme: none(),
            other: none(),
        };
        api.acme = api.create_tenant("acme").await;
        api.other = api.create_tenant("other").await;
        api
    }

    async fn create_tenant(&self, id: &str) -> TenantKeys {
        self.post(PLATFORM, "/v1/tenants", json!({"id": id, "name": id})).await.expect(201);
        let key = async |role: &str| {
            let body = json!({"name": role, "role": role});
            let request = Call::new(Method::POST, "/v1/keys").key(PLATFORM).acting_for(id).json(&body);
            let answer = self.send(request).await;
            answer.expect(201)["key"].as_str().unwrap().to_owned()
        };
        TenantKeys {
            admin: key("admin").await,
            publisher: key("publisher").await,
            viewer: key("viewer").await,
        }
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let response = self.router.clone().oneshot(call.0).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(Call::new(Method::GET, path).key(key)).await
    }

    pub(crate) async fn delete(&self, key: &str, path: &str) -> Answer {
        self.send(Call::new(Method::DELETE, path).key(key)).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(Call::new(Method::POST, path).key(key).json(&body)).await
    }

    pub(crate) async fn patch(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(Call::new(Method::PATCH, path).key(key).json(&body)).await
    }

    /// Creates an endpoint of acme's that subscribes to everything, with these fields besides.
    pub(crate) async fn endpoint(&self, fields: Value) -> String {
        let mut body = json!({"name": "orders", "channel": "webhook",
            "config": {"url": "https://example.com/hook"}, "subscriptions": [{"event_type": "*"}]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let created = self.post(&self.acme.admin, "/v1/endpoints", body).await.expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    /// Publishes an event of acme's.
    pub(crate) async fn publish(&self, body: Value) -> String {
        let accepted = self.post(&self.acme.publisher, "/v1/events", body).await.expect(202);
        accepted["event_id"].as_str().unwrap().to_owned()
    }

    /// Works off the queues. Attempts that are to come later come now.
    pub(crate) async fn run(&self) {
        let channel = QueueName::Channel(ChannelKind::Webhook);
        let express = QueueName::Express(ChannelKind::Webhook);
        let channel_dead = QueueName::ChannelDead(ChannelKind::Webhook);
        loop {
            let events = self.queue.take(QueueName::Events);
            let mut deliveries = self.queue.take(express);
            deliveries.extend(self.queue.take(channel));
            let given_up = self.queue.take(channel_dead);
            if events.len() + deliveries.len() + given_up.len() == 0 {
                return;
            }
            assert!(self.fan_out.handle(events).await.is_empty());
            assert!(self.deliver.handle(deliveries).await.is_empty());
            assert!(self.record.handle(given_up).await.is_empty());
            self.clock.advance(std::time::Duration::from_secs(600));
        }
    }

    /// Hands messages to whom they are given up.
    pub(crate) async fn give_up(&self, bodies: &[&str]) {
        let record = |(index, body): (usize, &&str)| QueueRecord {
            message_id: index.to_string(),
            body: (*body).to_owned().into(),
            receive_count: 1,
        };
        assert!(self.record.handle(bodies.iter().enumerate().map(record).collect()).await.is_empty());
    }

    /// An event of acme's that its receiver refused for good: the ids of the endpoint, the event, the
    /// delivery and the dead letter.
    pub(crate) async fn failed_delivery(&self) -> [String; 4] {
        let endpoint = self.endpoint(json!({})).await;
        self.receiver.status.store(404, Ordering::SeqCst);
        let event = self.publish(json!({"type": "a.b", "data": {}})).await;
        self.run().await;
        let path = format!("/v1/deliveries?event_id={event}");
        let deliveries = self.get(&self.acme.viewer, &path).await.expect(200);
        let delivery = deliveries["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/deliveries/{delivery}");
        let shown = self.get(&self.acme.viewer, &path).await.expect(200);
        let dead_letter = shown["dead_letter_id"].as_str().unwrap().to_owned();
        self.receiver.status.store(200, Ordering::SeqCst);
        [endpoint, event, delivery, dead_letter]
    }
}
