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

mod prepare;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use postrider_domain::event::Audience;
use postrider_domain::{EventId, EventType, FieldProblem, Priority, TenantId, Timestamp};
use tokio::task::yield_now;

use self::prepare::Prepared;
use crate::in_order::AcceptInOrder;
use crate::matching::MatchError;
use crate::messages::JsonText;
use crate::ports::queue::MAX_DELAY;
use crate::ports::{
    BlobError, Blobs, Clock, Entropy, OutgoingMessage, Queue, QueueError, QueueName, TableError,
};
use crate::publish_limits::PublishLimits;
use crate::rates::{RateError, Turn};
use crate::shares::{Shares, Taken};
use crate::stores::events::{Stored, StoredEvent};
use crate::stores::{Deliveries, Endpoints, Events};

/// How many events of a tenant are under way in an instance at a time.
const SHARE: u32 = 100;

/// How many events of a request are dealt with before there is a pause.
const PORTION: usize = 10;

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
        let mut results = self.accept_batch(tenant, vec![publication]).await;
        results.pop().unwrap_or_else(|| Err(IngestError::Invalid(Vec::new())))
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
        let mut results = self.accept_all(tenant, vec![publication], true).await;
        results.pop().unwrap_or_else(|| Err(IngestError::Invalid(Vec::new())))
    }

    /// Accepts several events, each by itself: the results are in their order.
    pub async fn accept_batch(
        &self,
        tenant: &TenantId,
        publications: Vec<Publication>,
    ) -> Vec<Result<Accepted, IngestError>> {
        self.accept_all(tenant, publications, false).await
    }

    async fn accept_all(
        &self,
        tenant: &TenantId,
        publications: Vec<Publication>,
        may_be_reserved: bool,
    ) -> Vec<Result<Accepted, IngestError>> {
        let count = publications.len();
        let asked = futures::join!(self.turns(tenant, count), self.in_order.version(tenant));
        let (turns, version) = match asked {
            (Ok(turns), Ok(version)) => (turns, version),
            (Err(error), _) => return fail_all(error, count),
            (_, Err(error)) => return fail_all(error.into(), count),
        };
        let moments = match version {
            Some(_) => self.in_order.moments(tenant, count),
            None => vec![self.clock.now(); count],
        };
        let asked = publications
            .into_iter()
            .zip(turns)
            .zip(moments)
            .map(|((publication, turn), now)| Asked { publication, turn, now });
        if count <= PORTION {
            return self.accept_portion(tenant, asked.collect(), version, may_be_reserved).await;
        }
        let accepted = stream::iter(asked)
            .chunks(PORTION)
            .enumerate()
            .then(|(index, portion)| async move {
                if index > 0 {
                    yield_now().await;
                }
                portion
            })
            .map(|portion| self.accept_portion(tenant, portion, version, may_be_reserved))
            .buffered(count);
        accepted.concat().await
    }

    /// Accepts some of the events that were published together.
    async fn accept_portion(
        &self,
        tenant: &TenantId,
        asked: Vec<Asked>,
        version: Option<u64>,
        may_be_reserved: bool,
    ) -> Vec<Result<Accepted, IngestError>> {
        let prepared = asked.into_iter().map(|Asked { publication, turn, now }| async move {
            if publication.event_type.is_reserved() && !may_be_reserved {
                let why = "types that begin with 'postrider.' are Postrider's own; choose another";
                return Err(IngestError::Invalid(vec![FieldProblem::new("type", why)]));
            }
            self.prepare(tenant, publication, turn?, now).await
        });
        let (mut generated, mut named, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (index, prepared) in join_all(prepared).await.into_iter().enumerate() {
            match prepared {
                Ok(prepared) if prepared.generated => generated.push((index, prepared)),
                Ok(prepared) => named.push((index, prepared)),
                Err(error) => results.push((index, Err(error))),
            }
        }
        let (generated, named) =
            futures::join!(self.accept_generated(generated, version), self.accept_named(named, version));
        results.extend(generated);
        results.extend(named);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// From when on each of so many events may be matched, or why it is not accepted.
    async fn turns(
        &self,
        tenant: &TenantId,
        count: usize,
    ) -> Result<Vec<Result<Timestamp, IngestError>>, RateError> {
        let now = self.clock.now();
        let Some(limits) = &self.limits else { return Ok((0..count).map(|_| Ok(now)).collect()) };
        let turns = limits.ask(tenant, count, self.patience).await?.into_iter();
        let turns = turns.map(|turn| match turn {
            Turn::Token(at) => Ok(at),
            Turn::Later(at) => {
                let seconds = at.since(now).as_millis().div_ceil(1_000) as u64;
                Err(IngestError::RateLimited { retry_after: Duration::from_secs(seconds.max(1)) })
            }
        });
        Ok(turns.collect())
    }

    async fn accept_generated(&self, events: Vec<(usize, Prepared)>, version: Option<u64>) -> Vec<Indexed> {
        if events.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        let puts = events.iter().map(|(_, event)| self.events.put_new(&event.stored, &event.wire));
        let Some(version) = version else {
            let messages = events.iter().map(|(_, event)| event.message(false, now)).collect();
            let (stored, sent) = futures::join!(join_all(puts), self.send(messages));
            let outcomes = stored.into_iter().zip(sent);
            let accepted = events.into_iter().zip(outcomes).map(|((index, event), (stored, sent))| {
                let accepted = stored.map_err(IngestError::from).and(sent.map_err(IngestError::from));
                (index, accepted.map(|()| event.accepted(false)))
            });
            return accepted.collect();
        };
        let (mut stored, mut results) = (Vec::new(), Vec::new());
        let puts = join_all(puts).await;
        for ((index, event), put) in events.into_iter().zip(puts) {
            match put {
                Ok(()) => stored.push((index, event, false)),
                Err(error) => results.push((index, Err(error.into()))),
            }
        }
        results.extend(self.announce(stored, Some(version)).await);
        results
    }

    async fn accept_named(&self, events: Vec<(usize, Prepared)>, version: Option<u64>) -> Vec<Indexed> {
        if events.is_empty() {
            return Vec::new();
        }
        let puts = events.iter().map(|(_, event)| self.events.put_if_absent(&event.stored, &event.wire));
        let puts = join_all(puts).await;
        let (mut results, mut stored) = (Vec::new(), Vec::new());
        for ((index, event), put) in events.into_iter().zip(puts) {
            match put {
                Ok(Stored::New) => stored.push((index, event, false)),
                Ok(Stored::Existing(first)) if first.digest == event.stored.digest => {
                    stored.push((index, Prepared::new(*first, false, event.later), true));
                }
                Ok(Stored::Existing(_)) => {
                    results.push((index, Err(IngestError::Conflict(event.stored.event.id))));
                }
                Err(error) => results.push((index, Err(error.into()))),
            }
        }
        results.extend(self.announce(stored, version).await);
        results
    }

    /// Creates the deliveries of stored events whose endpoints are ordered, and sends the events' messages.
    async fn announce(&self, stored: Vec<(usize, Prepared, bool)>, version: Option<u64>) -> Vec<Indexed> {
        let now = self.clock.now();
        let created = stored.iter().map(|(_, prepared, repeated)| async move {
            let Some(version) = version else { return Ok(()) };
            let StoredEvent { event, payload, .. } = &prepared.stored;
            self.in_order.create(event, payload, version, *repeated).await
        });
        let created = join_all(created).await;
        let messages = stored.iter().zip(&created);
        let messages = messages.map(|((_, event, repeated), created)| {
            created.as_ref().ok().and_then(|()| event.message(*repeated, now))
        });
        let sent = self.send(messages.collect()).await;
        let outcomes = created.into_iter().zip(sent);
        let accepted = stored.into_iter().zip(outcomes).map(|((index, event, repeated), (created, sent))| {
            let accepted = created.map_err(IngestError::from).and(sent.map_err(IngestError::from));
            (index, accepted.map(|()| event.accepted(repeated)))
        });
        accepted.collect()
    }

    /// Sends the messages of events. One that has none is in the ledger, and needs nothing else.
    async fn send(&self, messages: Vec<Option<OutgoingMessage>>) -> Vec<Result<(), QueueError>> {
        let needed: Vec<bool> = messages.iter().map(Option::is_some).collect();
        let messages: Vec<_> = messages.into_iter().flatten().collect();
        let sent =
            if messages.is_empty() { Vec::new() } else { self.queue.send(QueueName::Events, messages).await };
        let mut sent = sent.into_iter();
        needed
            .into_iter()
            .map(|is_needed| if is_needed { sent.next().unwrap_or(Ok(())) } else { Ok(()) })
            .collect()
    }
}

/// An event as it was published.
struct Asked {
    publication: Publication,
    /// From when on it may be matched, or why it is not accepted.
    turn: Result<Timestamp, IngestError>,
    /// When it is accepted.
    now: Timestamp,
}

type Indexed = (usize, Result<Accepted, IngestError>);

/// The failure of something that all of so many events need.
fn fail_all(error: RateError, count: usize) -> Vec<Result<Accepted, IngestError>> {
    let error = Arc::new(error);
    (0..count).map(|_| Err(IngestError::Rate(Arc::clone(&error)))).collect()
}
