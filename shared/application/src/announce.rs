//! Postrider's own events: what happens to an endpoint is told to the tenant's other endpoints that ask for it.
//!
//! They are events like any other, with types that nobody else can publish. Their ids follow from what happened, so
//! that telling it twice is telling it once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_domain::event::Audience;
use postrider_domain::{Endpoint, Event, EventId, EventType, Priority, Timestamp};
use serde::Serialize;

use crate::messages::{EventsMessage, FanOutMessage, Payload, WireEvent};
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

/// What can happen to an endpoint.
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
}

impl News {
    /// Everything that can happen.
    pub const ALL: [Self; 4] =
        [Self::EndpointWarning, Self::EndpointDisabled, Self::CircuitOpened, Self::CircuitClosed];

    /// The type of the event.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::EndpointWarning => "postrider.endpoint.warning",
            Self::EndpointDisabled => "postrider.endpoint.disabled",
            Self::CircuitOpened => "postrider.circuit.opened",
            Self::CircuitClosed => "postrider.circuit.closed",
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

/// The data of such an event.
#[derive(Serialize)]
struct Data<'a> {
    endpoint_id: String,
    endpoint_name: &'a str,
    reason: &'a str,
    since: Option<String>,
    next: Option<String>,
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

    /// Publishes a report.
    ///
    /// # Errors
    /// When the event cannot be stored or sent. Trying again is safe.
    pub async fn tell(&self, report: &Report<'_>) -> Result<(), AnnounceError> {
        let event = self.event(report)?;
        let tenant = event.event.tenant.clone();
        let wire = WireEvent::new(&event.event, &event.payload).map_err(invalid)?;
        let (wire, is_repeated) = match self.events.put_if_absent(&event, &wire).await? {
            Stored::New => (wire, false),
            Stored::Existing(first) => (WireEvent::new(&first.event, &first.payload).map_err(invalid)?, true),
        };
        let message = FanOutMessage::new(&tenant, wire);
        let message = if is_repeated { message.repeated() } else { message };
        let body = EventsMessage::FanOut(Box::new(message)).write();
        let message = OutgoingMessage { body, delay: Duration::ZERO, group: tenant.to_string() };
        Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?)
    }

    fn event(&self, report: &Report<'_>) -> Result<StoredEvent, TableError> {
        let endpoint = report.endpoint;
        let data = Data {
            endpoint_id: endpoint.id.to_string(),
            endpoint_name: &endpoint.name,
            reason: &report.reason,
            since: report.since.map(|at| at.to_string()),
            next: report.next.map(|at| at.to_string()),
        };
        let data = serde_json::to_string(&data).map_err(invalid)?;
        let event_type: EventType = report.news.event_type().parse().map_err(invalid)?;
        let id = format!("{}:{}:{}", event_type.as_str().replace('.', "-"), endpoint.id, report.key);
        let event = Event {
            tenant: endpoint.tenant.clone(),
            id: id.parse::<EventId>().map_err(invalid)?,
            event_type,
            accepted_at: self.clock.now(),
            occurred_at: None,
            source: Some("postrider".to_owned()),
            correlation_id: Some(endpoint.id.to_string()),
            tags: Vec::new(),
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: Priority::default(),
        };
        let digest = event.content_digest(&data);
        Ok(StoredEvent { event, payload: Payload::Inline(Bytes::from(data)), digest, schedule: None })
    }
}

fn invalid(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TableError {
    TableError::Invalid { table: TableName::Ledger, source: source.into() }
}
