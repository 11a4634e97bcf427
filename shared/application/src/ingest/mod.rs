//! Accepting events: durable in the ledger and in the queue, then acknowledged.
//!
//! An event without an id of its publisher's gets one that cannot be taken, so that its item and its message
//! are written at the same time. Under a publisher's id the item comes first, because its condition tells
//! whether the event is new, the same again, or another one: only then is there a message. When the same is
//! published again there is a message too, because the first publisher may have died before its own; fan-out
//! recognises deliveries that exist.
//!
//! A tenant that publishes much takes no more than its share of an instance that serves several: so many of its
//! events are under way at a time ([`Ingest::share`]), and after every few there is a pause in which others go on.

mod batch;
mod prepare;

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::event::Audience;
use postrider_domain::{EventId, EventType, FieldProblem, Priority, TenantId, Timestamp};

use crate::in_order::AcceptInOrder;
use crate::matching::MatchError;
use crate::messages::JsonText;
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{BlobError, Blobs, Clock, Entropy, Queue, QueueError, QueueName, TableError};
use crate::publish_limits::PublishLimits;
use crate::rates::{RateError, Turn};
use crate::shares::{Shares, Taken};
use crate::stores::{Deliveries, Endpoints, Events};

/// How many events of a tenant are under way in an instance at a time.
const SHARE: u32 = 100;

/// An event as its publisher gives it.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The publisher's own id.
    pub event_id: Option<EventId>,
    /// What kind of fact it is.
    pub event_type: EventType,
    /// The data, as the JSON text it came as.
    pub data: JsonText,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// Where it comes from.
    pub source: Option<String>,
    /// What ties it to other events.
    pub correlation_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Which endpoints it is for.
    pub audience: Audience,
    /// When it is to be delivered, if not at once.
    pub deliver_at: Option<Timestamp>,
    /// How urgent it is.
    pub priority: Priority,
}

/// An event was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub event_id: EventId,
    /// Whether it had been accepted before, with the same content.
    pub duplicate: bool,
    /// When it was accepted first.
    pub accepted_at: Timestamp,
}

/// An event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Fields are wrong.
    #[error("the event is not valid")]
    Invalid(Vec<FieldProblem>),
    /// The data is too large.
    #[error("data has {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is another event with this id.
    #[error("there is an event {0} with other content; an event id stands for one event for good")]
    Conflict(EventId),
    /// The tenant publishes more than it may.
    #[error("the tenant publishes more than its limit allows; publish again in {} s", retry_after.as_secs())]
    RateLimited {
        /// In how many seconds there may be room, at least one.
        retry_after: Duration,
    },
    /// It cannot be told which ordered endpoints get the event; publishing again is safe under an id of the
    /// publisher's.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// The tenant's limit, or its endpoints, cannot be asked for; publishing again is safe.
    #[error(transparent)]
    Rate(Arc<RateError>),
    /// The ledger failed; publishing again is safe under an id of the publisher's.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed; publishing again is safe under an id of the publisher's.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store of large payloads failed; publishing again is safe.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// Accepts events.
#[derive(Clone)]
pub struct Ingest {
    events: Events,
    endpoints: Endpoints,
    queue: Arc<dyn Queue>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    in_order: Arc<AcceptInOrder>,
    limits: Option<Arc<PublishLimits>>,
    patience: Duration,
    under_way: Arc<Shares<TenantId>>,
}

impl Ingest {
    /// A way in to these stores.
    pub fn new(
        events: Events,
        endpoints: Endpoints,
        queue: Arc<dyn Queue>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let (limits, patience) = (None, Duration::ZERO);
        let deliveries = Deliveries::new(events.table());
        let in_order = AcceptInOrder::new(endpoints.clone(), deliveries, blobs.clone(), clock.clone());
        let in_order = Arc::new(in_order);
        let under_way = Arc::new(Shares::new(SHARE));
        Self { events, endpoints, queue, blobs, clock, entropy, in_order, limits, patience, under_way }
    }

    /// The same way in, with limits for each tenant.
    #[must_use]
    pub fn limited(self, limits: Arc<PublishLimits>) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The same way in for publishers who are not there to be told to wait: what is beyond a tenant's limit is
    /// accepted and matched later, within the time that a queue can hold a message.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { patience: MAX_DELAY, ..self }
    }

    /// A tenant's share of an instance that serves several at a time, to be held while so many of its events, or all
    /// that it may have under way, are read and accepted: what it publishes beyond that waits.
    pub async fn share(&self, tenant: &TenantId, events: usize) -> Taken {
        self.under_way.take(tenant.clone(), u32::try_from(events).unwrap_or(u32::MAX)).await
    }

    /// Accepts one event. When this answers, nothing can lose it any more.
    ///
    /// # Errors
    /// When it is not valid, stands against another event, or cannot be made durable.
    pub async fn accept(&self, tenant: &TenantId, publication: Publication) -> Result<Accepted, IngestError> {
        self.accept_one(tenant, publication, false).await
    }

    /// Accepts an event that an administrator sends to endpoints of their choice to see how they take it: it may
    /// look like one of Postrider's own.
    ///
    /// # Errors
    /// The same.
    pub async fn accept_test(
        &self,
        tenant: &TenantId,
        publication: Publication,
    ) -> Result<Accepted, IngestError> {
        self.accept_one(tenant, publication, true).await
    }

    /// Accepts one event, without the steps that several need.
    async fn accept_one(
        &self,
        tenant: &TenantId,
        publication: Publication,
        may_be_reserved: bool,
    ) -> Result<Accepted, IngestError> {
        let (turn, version) = futures::join!(self.turn(tenant), self.in_order.version(tenant));
        let (turn, version) = (turn.map_err(Arc::new).map_err(IngestError::Rate)?, version?);
        if !may_be_reserved {
            refuse_reserved(&publication)?;
        }
        let now = match version {
            Some(_) => self.in_order.moment(tenant),
            None => self.clock.now(),
        };
        let event = self.prepare(tenant, publication, turn?, now).await?;
        let mut results = match (event.generated, version) {
            (true, None) => {
                let messages = event.message(false, now).into_iter().collect();
                let stored = self.events.put_new(&event.stored, &event.wire);
                let sent = send_all(&*self.queue, QueueName::Events, messages);
                let (stored, sent) = futures::join!(stored, sent);
                stored?;
                sent?;
                return Ok(event.accepted(false));
            }
            // Boxed because there is more to be held than on the way above.
            (true, Some(_)) => Box::pin(self.accept_generated(vec![(0, event)], version)).await,
            (false, _) => Box::pin(self.accept_named(vec![(0, event)], version)).await,
        };
        results.pop().map_or_else(|| Err(IngestError::Invalid(Vec::new())), |(_, result)| result)
    }

    /// From when on an event may be matched, or why it is not accepted.
    async fn turn(&self, tenant: &TenantId) -> Result<Result<Timestamp, IngestError>, RateError> {
        let now = self.clock.now();
        let Some(limits) = &self.limits else { return Ok(Ok(now)) };
        Ok(allowed_from(limits.ask_one(tenant, self.patience).await?, now))
    }
}

/// Types of Postrider's own are for nobody else.
fn refuse_reserved(publication: &Publication) -> Result<(), IngestError> {
    if !publication.event_type.is_reserved() {
        return Ok(());
    }
    let why = "types that begin with 'postrider.' are Postrider's own; choose another";
    Err(IngestError::Invalid(vec![FieldProblem::new("type", why)]))
}

/// From when on an event may be matched that asked at `now`.
fn allowed_from(turn: Turn, now: Timestamp) -> Result<Timestamp, IngestError> {
    match turn {
        Turn::Token(at) => Ok(at),
        Turn::Later(at) => {
            let seconds = at.since(now).as_millis().div_ceil(1_000) as u64;
            Err(IngestError::RateLimited { retry_after: Duration::from_secs(seconds.max(1)) })
        }
    }
}
