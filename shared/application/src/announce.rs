//! Postrider's own events: what happens to an endpoint is told to the tenant's other endpoints that ask for it, and
//! what is missing to all that do.
//!
//! They are events like any other, with types that nobody else can publish. Their ids follow from what happened, so
//! that telling it twice is telling it once.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::event::Audience;
use postrider_domain::{Endpoint, Event, EventId, EventType, Priority, Reconciliation, TenantId, Timestamp};
use serde::Serialize;

use crate::messages::{FanOutMessage, Payload, WireEvent};
use crate::ports::queue::send_all;
use crate::ports::{Clock, OutgoingMessage, Queue, QueueError, QueueName, TableError, TableName};
use crate::stores::Events;
use crate::stores::events::{Stored, StoredEvent};

/// It could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What can happen, to an endpoint or to a tenant's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It will be disabled unless it works again.
    EndpointWarning,
    /// It was disabled.
    EndpointDisabled,
    /// Its circuit opened.
    CircuitOpened,
    /// Its circuit closed.
    CircuitClosed,
    /// Something that was accepted is not accounted for.
    ReconciliationGap,
}

impl News {
    /// Everything that can happen.
    pub const ALL: [Self; 5] = [
        Self::EndpointWarning,
        Self::EndpointDisabled,
        Self::CircuitOpened,
        Self::CircuitClosed,
        Self::ReconciliationGap,
    ];

    /// The type of the event.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::EndpointWarning => "postrider.endpoint.warning",
            Self::EndpointDisabled => "postrider.endpoint.disabled",
            Self::CircuitOpened => "postrider.circuit.opened",
            Self::CircuitClosed => "postrider.circuit.closed",
            Self::ReconciliationGap => "postrider.reconciliation.gap",
        }
    }
}

/// Something that happened.
#[derive(Debug)]
pub struct Report<'a> {
    /// What.
    pub news: News,
    /// To which endpoint.
    pub endpoint: &'a Endpoint,
    /// Tells it from others of its kind that happened to this endpoint.
    pub key: String,
    /// Why, in plain words.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When something will follow: the next probe, or the endpoint's being disabled.
    pub next: Option<Timestamp>,
}

/// The data of an event about an endpoint.
#[derive(Serialize)]
struct Data<'a> {
    endpoint_id: String,
    endpoint_name: &'a str,
    reason: &'a str,
    since: Option<String>,
    next: Option<String>,
}

/// The data of an event about an hour.
#[derive(Serialize)]
struct GapData {
    hour: String,
    accepted: u64,
    matched: u64,
    gap: u64,
    events_missing: u64,
    stuck: u64,
}

/// Tells what happened.
#[derive(Clone)]
pub struct Announce {
    events: Events,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Announce {
    /// Tells it through this store and the queue `events`.
    pub fn new(events: Events, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        Self { events, queue, clock }
    }

    /// Publishes a report about an endpoint.
    ///
    /// # Errors
    /// When the event cannot be stored or sent. Trying again is safe.
    pub async fn tell(&self, report: &Report<'_>) -> Result<(), AnnounceError> {
        let endpoint = report.endpoint;
        let data = Data {
            endpoint_id: endpoint.id.to_string(),
            endpoint_name: &endpoint.name,
            reason: &report.reason,
            since: report.since.map(|at| at.to_string()),
            next: report.next.map(|at| at.to_string()),
        };
        let id = endpoint.id.to_string();
        let key = format!("{id}:{}", report.key);
        self.publish(self.event(&endpoint.tenant, report.news, &key, Some(id), &data)?).await
    }

    /// Tells a tenant that something of an hour is missing, or stuck.
    ///
    /// # Errors
    /// When the event cannot be stored or sent. Trying again is safe.
    pub async fn tell_gap(&self, hour: &Reconciliation) -> Result<(), AnnounceError> {
        let counts = &hour.counts;
        let data = GapData {
            hour: hour.hour.begins_at().to_string(),
            accepted: counts.accepted,
            matched: counts.matched,
            gap: counts.gap(),
            events_missing: counts.events_missing,
            stuck: hour.stuck,
        };
        let key = hour.hour.to_string();
        self.publish(self.event(&hour.tenant, News::ReconciliationGap, &key, None, &data)?).await
    }

    async fn publish(&self, event: StoredEvent) -> Result<(), AnnounceError> {
        let tenant = event.event.tenant.clone();
        let wire = WireEvent::new(&event.event, &event.payload);
        let (wire, is_repeated) = match self.events.put_if_absent(&event, &wire).await? {
            Stored::New => (wire, false),
            Stored::Existing(first) => (WireEvent::new(&first.event, &first.payload), true),
        };
        let message = FanOutMessage::new(&tenant, wire);
        let message = if is_repeated { message.repeated() } else { message };
        let message = OutgoingMessage::of(&tenant, message, Duration::ZERO);
        Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?)
    }

    /// An event under an id that follows from what happened and a key.
    fn event(
        &self,
        tenant: &TenantId,
        news: News,
        key: &str,
        about: Option<String>,
        data: &impl Serialize,
    ) -> Result<StoredEvent, TableError> {
        let data = serde_json::to_string(data).map_err(invalid)?;
        let event_type: EventType = news.event_type().parse().map_err(invalid)?;
        let id = format!("{}:{key}", event_type.as_str().replace('.', "-"));
        let event = Event {
            tenant: tenant.clone(),
            id: id.parse::<EventId>().map_err(invalid)?,
            event_type,
            accepted_at: self.clock.now(),
            occurred_at: None,
            source: Some("postrider".to_owned()),
            correlation_id: about,
            tags: Vec::new(),
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: Priority::default(),
        };
        let digest = event.content_digest(&data);
        let payload = Payload::Inline(data.try_into().map_err(invalid)?);
        Ok(StoredEvent { event, payload, digest, schedule: None })
    }
}

fn invalid(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TableError {
    TableError::Invalid { table: TableName::Ledger, source: source.into() }
}
