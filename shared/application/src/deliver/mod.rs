//! Attempting deliveries: gate, attempt, record, and what follows.
//!
//! The first attempt of a message that was never handed out before reads nothing: what the ledger holds
//! follows from the message. Every other one reads the ledger first and claims the attempt, so that a receiver
//! is not called twice for one attempt. The record is written on the condition that nobody else wrote; only
//! then does the next message go out, and only then is this one done. A crash in between finds the record and
//! sends what follows again.
//!
//! Before each attempt is the `gate`; what does not pass is parked. Deliveries of an ordered endpoint are in a `line`.
//!
//! A worker holds hundreds of these futures at a time, so what is seldom waited for is boxed: the usual one is a
//! quarter of the size of all together.

mod content;
mod gate;
mod line;
mod log;
mod open_endpoints;
mod record;
mod room;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future;
use futures::stream::FuturesUnordered;
use postrider_domain::endpoint::MAX_TIMEOUT;
use postrider_domain::{Attempt, Delivery, DeliveryId, EndpointId, Event, Outcome, Timestamp};

pub use postrider_domain::CircuitRules;

pub use open_endpoints::{OpenEndpoint, OpenEndpointError, OpenEndpoints};

use self::gate::crowd::Crowds;
use self::gate::{AttemptSummary, Entry, Gate};
use self::log::log_attempt;
use self::room::{PATIENCE, ROOM_BYTES, Reserved, Room};
use crate::endpoints::{ChangeStatus, EndpointError};
use crate::links::DataLinks;
use crate::messages::{ChannelMessage, DeliverMessage, MessageError, Payload};
use crate::ports::queue::failure;
use crate::ports::{
    AttemptJob, BlobError, Blobs, Clock, Entropy, Queue, QueueError, QueueRecord, TableError, VaultError,
};
use crate::rates::{RateError, Rates};
use crate::stores::deliveries::{Created, Saved};
use crate::stores::{Deliveries, Drains, Events, Lines};

/// How long an attempt that was claimed keeps others away: longer than an attempt can take.
const CLAIM: Duration = MAX_TIMEOUT.saturating_add(Duration::from_secs(10));

/// How often a record is tried again when others change the delivery at the same time.
const SAVE_TRIES: usize = 5;

/// A message could not be dealt with; it comes again. A receiver that fails is no such error.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// A message cannot be read, is not one to deliver, or cannot be written.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A message that belongs into the dead-letter queue only.
    #[error("this message belongs into the dead-letter queue")]
    Misplaced,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store of large payloads failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The endpoint's stored configuration cannot be used.
    #[error(transparent)]
    Endpoint(#[from] OpenEndpointError),
    /// The endpoint could not be read or disabled.
    #[error(transparent)]
    ChangeEndpoint(#[from] EndpointError),
    /// The master key, with which links are signed, cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The endpoint is to get links, which cannot be made here.
    #[error("{0} is to get links to data, but the public address of this API is not set")]
    NoPublicUrl(EndpointId),
    /// The endpoint's rate limit cannot be asked for a turn.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// The delivery kept changing.
    #[error("the delivery {0} kept changing while its attempt was recorded")]
    Contended(DeliveryId),
}

/// Attempts deliveries.
pub struct Deliver {
    deliveries: Deliveries,
    events: Events,
    drains: Drains,
    lines: Lines,
    endpoints: OpenEndpoints,
    change_status: ChangeStatus,
    gate: Gate,
    queue: Arc<dyn Queue>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    rates: Rates,
    crowds: Crowds,
    room: Room,
    links: Option<DataLinks>,
    alone_since: Timestamp,
}

/// What a message is about, read.
struct Job {
    message: DeliverMessage,
    event: Event,
    payload: Payload,
    delivery_id: DeliveryId,
}

impl Job {
    fn read(message: DeliverMessage) -> Result<Self, DeliverError> {
        let (event, payload) = message.event.read(&message.tenant)?;
        let delivery_id = DeliveryId::derive(event.accepted_at, &event.id, message.endpoint);
        Ok(Self { message, event, payload, delivery_id })
    }
}

impl Deliver {
    /// A worker over these stores.
    pub fn new(
        deliveries: Deliveries,
        endpoints: OpenEndpoints,
        change_status: ChangeStatus,
        queue: Arc<dyn Queue>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let gate = Gate::new(change_status.breaker(), clock.clone());
        let alone_since = Timestamp::default();
        let rates = Rates::new(deliveries.buckets(), Arc::clone(&clock), Arc::clone(&entropy));
        let (crowds, room, links) = (Crowds::default(), Room::new(ROOM_BYTES), None);
        let table = deliveries.table();
        Self {
            events: Events::new(Arc::clone(&table)),
            drains: Drains::new(Arc::clone(&table)),
            lines: Lines::new(table),
            deliveries,
            endpoints,
            change_status,
            gate,
            queue,
            blobs,
            clock,
            entropy,
            rates,
            crowds,
            room,
            links,
            alone_since,
        }
    }

    /// The same worker with other rules for circuits.
    #[must_use]
    pub fn circuit_rules(mut self, rules: CircuitRules) -> Self {
        self.gate.circuit_rules(rules);
        self
    }

    /// The same worker, which knows that all others ended before `since`: what they claimed is free.
    #[must_use]
    pub fn alone_since(mut self, since: Timestamp) -> Self {
        self.alone_since = since;
        self
    }

    /// Deals with a batch of a channel's queue, all of it at once. Answers the ids of the messages that must
    /// come again.
    pub async fn handle(&self, records: Vec<QueueRecord>) -> Vec<String> {
        if let [record] = &*records {
            return failure(record, self.deal_with(record).await).into_iter().collect();
        }
        let handled = records.into_iter().map(|record| async move {
            let result = self.deal_with(&record).await;
            failure(&record, result)
        });
        // Each is woken by itself: an answer does not have all that still wait looked at.
        handled.collect::<FuturesUnordered<_>>().filter_map(future::ready).collect().await
    }

    async fn deal_with(&self, record: &QueueRecord) -> Result<(), DeliverError> {
        let ChannelMessage::Deliver(message) = record.body.channel()? else {
            return Err(DeliverError::Misplaced);
        };
        let job = Job::read(message)?;
        let now = self.clock.now();
        if let Some(at) = job.message.not_before().filter(|at| *at > now)
            && self.keeps_slot(&job).await?
        {
            return self.send(&job, job.message.clone(), at.since(now)).await;
        }
        let open = self.open(&job).await?;
        if let Some(open) = open.as_deref()
            && let Some(in_order) = &open.endpoint.in_order
        {
            return Box::pin(self.in_line(&job, open, in_order, record.receive_count)).await;
        }
        self.alone(&job, open.as_deref(), record.receive_count).await
    }

    /// Deals with a delivery whose turn does not depend on others.
    async fn alone(
        &self,
        job: &Job,
        open: Option<&OpenEndpoint>,
        receive_count: u32,
    ) -> Result<(), DeliverError> {
        let Some(place) = self.place(job, receive_count).await? else { return Ok(()) };
        let room = self.room_for(job, open, receive_count, PATIENCE).await?;
        if matches!(room, Reserved::Later(_)) || self.comes_back_at(job, open, receive_count).await?.is_some()
        {
            return Ok(());
        }
        place.begin();
        if let Some(delivery) = self.admit(job, receive_count).await? {
            self.attempt(job, delivery, None).await?;
        }
        Ok(())
    }

    /// The endpoint of a message, if there is one.
    async fn open(&self, job: &Job) -> Result<Option<Arc<OpenEndpoint>>, DeliverError> {
        let (endpoint, version) = (job.delivery_id.endpoint(), job.message.endpoint_version);
        Ok(self.endpoints.get(&job.event.tenant, endpoint, version).await?)
    }

    /// The delivery, if this message's attempt is still to be made, claimed unless nobody else can know of it.
    async fn admit(&self, job: &Job, receive_count: u32) -> Result<Option<Box<Delivery>>, DeliverError> {
        let message = &job.message;
        let is_new = message.attempt == 1 && receive_count == 1 && !message.recheck;
        if is_new && !message.returned {
            // What fan-out created follows from its message.
            let (endpoint, created_at) = (job.delivery_id.endpoint(), message.created_at());
            let channel = self.endpoints.channel();
            return Ok(Some(Box::new(Delivery::new(&job.event, endpoint, channel, 0, created_at))));
        }
        Box::pin(self.admit_again(job, is_new)).await
    }

    /// The same for a message that was not the first of its delivery, or may have come before.
    async fn admit_again(&self, job: &Job, is_new: bool) -> Result<Option<Box<Delivery>>, DeliverError> {
        let message = &job.message;
        for _ in 0..SAVE_TRIES {
            let found = self.deliveries.get(&job.event.tenant, job.delivery_id).await?;
            if found.is_none() && message.renew {
                match self.begin(job).await? {
                    Some(delivery) => return Ok(Some(delivery)),
                    None => continue,
                }
            }
            let Some(mut delivery) = found.map(Box::new) else {
                tracing::warn!(delivery.id = %job.delivery_id, "a message for a delivery that is not there");
                return Ok(None);
            };
            if delivery.attempt_count >= message.attempt {
                // This attempt is on record. If it was the last, its worker may have died before what follows.
                if delivery.attempt_count == message.attempt {
                    self.follow_up_again(job, &delivery).await?;
                }
                return Ok(None);
            }
            if !delivery.status.awaits_attempt() && (!message.renew || message.is_called_off(&delivery)) {
                return Ok(None);
            }
            let now = self.clock.now();
            if let Some(claimed_at) = delivery.claimed_at.filter(|at| *at >= self.alone_since)
                && claimed_at.after(CLAIM) > now
            {
                // Somebody is at it. Should they die, this message takes over.
                let wait = claimed_at.after(CLAIM).since(now);
                self.send(job, message.clone().rechecked(), wait).await?;
                return Ok(None);
            }
            if is_new {
                // The message of which it is a copy may have come again; seldom at the same time.
                return Ok(Some(delivery));
            }
            if message.renew {
                delivery.restart(now);
                delivery.renewed_by = message.job;
            }
            delivery.claimed_at = Some(now);
            if let Saved::Yes = self.deliveries.save(&delivery).await? {
                delivery.version += 1;
                return Ok(Some(delivery));
            }
        }
        Err(DeliverError::Contended(job.delivery_id))
    }

    /// Creates, claimed, what somebody asked to be delivered to an endpoint that had no delivery of the event. `None`
    /// when somebody else was faster.
    async fn begin(&self, job: &Job) -> Result<Option<Box<Delivery>>, DeliverError> {
        let (endpoint, created_at) = (job.delivery_id.endpoint(), job.message.created_at());
        let mut delivery =
            Box::new(Delivery::new(&job.event, endpoint, self.endpoints.channel(), 0, created_at));
        delivery.claimed_at = Some(self.clock.now());
        delivery.renewed_by = job.message.job;
        let created = self.deliveries.create(&delivery).await?;
        Ok(matches!(created, Created::New).then_some(delivery))
    }

    /// Makes an attempt, puts it on record and sends what follows. One that holds back others gives way from a
    /// moment on: it is parked instead of being tried again. Answers the delivery as it is then, or `None` when another
    /// worker has recorded this attempt.
    async fn attempt(
        &self,
        job: &Job,
        mut delivery: Box<Delivery>,
        gives_way_at: Option<Timestamp>,
    ) -> Result<Option<Box<Delivery>>, DeliverError> {
        let tenant = &job.event.tenant;
        let Some(open) = self.open(job).await? else {
            delivery.cancel("the endpoint was deleted");
            Box::pin(self.set_aside(&delivery)).await?;
            return Ok(Some(delivery));
        };
        // Also for a delivery that is parked before its first attempt, whose message does not say.
        delivery.max_attempts = open.endpoint.retry.max_attempts;
        let pass = match self.gate.enter(&open.endpoint).await? {
            Entry::Passed(pass) => pass,
            Entry::Parked(why) => {
                let parked = Box::pin(self.park(job, delivery, &open.endpoint, why)).await?;
                return Ok(Some(parked));
            }
        };
        let given = self.given(job, &*open.destination).await?;
        let (content, started_at) = (given.content(), self.clock.now());
        let attempt_job =
            AttemptJob { event: &job.event, content, now: started_at, timeout: open.endpoint.timeout };
        let result = open.destination.attempt(&attempt_job).await;
        let ended_at = self.clock.now();
        let policy = &open.endpoint.retry;
        let verdict = result.outcome.verdict(
            policy,
            delivery.spent() + 1,
            result.retry_after,
            ended_at,
            if result.outcome == Outcome::Delivered { 0.0 } else { self.entropy.unit() },
        );
        let attempt = Attempt {
            number: delivery.attempt_count + 1,
            started_at,
            duration: ended_at.since(started_at),
            outcome: result.outcome,
            request: result.request,
            response: result.response,
            error: result.error,
        };
        log_attempt(&delivery, &attempt);
        let result = AttemptSummary::of(&attempt);
        let recorded = self.record(delivery, attempt, verdict, gives_way_at).await?;
        if self.gate.leave(&open.endpoint, pass, &result).await {
            self.endpoints.forget(tenant, open.endpoint.id);
        }
        if let Some(delivery) = &recorded {
            self.follow_up(job, delivery, verdict).await?;
        }
        Ok(recorded)
    }
}
