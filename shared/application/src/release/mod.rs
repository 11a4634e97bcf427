//! Letting parked deliveries go on, the oldest first, or cancelling them.
//!
//! A message is sent for each; the worker that gets it finds the delivery parked and its endpoint active, and
//! attempts it. Nothing is marked before, so a crash anywhere only sends some messages twice, which the
//! ledger sorts out.
//!
//! A drain goes on from portion to portion, each announced by the one before, no faster than the endpoint takes
//! deliveries. A later drain takes over from one that is under way. When everything was looked at, a last look finds
//! what the index did not show yet. A drain that meets an endpoint that takes nothing stops: whatever lets the
//! endpoint take deliveries again begins another one.

mod line;
mod pace;
mod skip;

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use futures::stream::{self, StreamExt as _, TryChunksError, TryStreamExt as _};
use postrider_domain::circuit::{Admission, PROBES};
use postrider_domain::{
    Delivery, DeliveryId, Endpoint, EndpointId, EndpointStatus, Lane, TenantId, Timestamp,
};

use self::pace::Pace;
use crate::messages::{Body, Progress, ReleaseMessage};
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::redeliver::message_for;
use crate::stores::drains::{Drain, DrainState};
use crate::stores::{Circuits, Deliveries, Drains, Endpoints, Events, Lines};

/// How many messages are in memory at a time.
const SENT_TOGETHER: usize = 100;

/// How long after the end of a drain there is a last look: an index follows its table with some delay.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// A message could not be dealt with; it comes again.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Releases parked deliveries.
#[derive(Clone)]
pub struct Release {
    endpoints: Endpoints,
    deliveries: Deliveries,
    events: Events,
    circuits: Circuits,
    drains: Drains,
    lines: Lines,
    queue: Arc<dyn Queue>,
}

impl Release {
    /// A release over these stores, and what is kept beside them.
    pub fn new(endpoints: Endpoints, deliveries: Deliveries, events: Events, queue: Arc<dyn Queue>) -> Self {
        let (circuits, drains) = (Circuits::new(deliveries.table()), Drains::new(deliveries.table()));
        let lines = Lines::new(deliveries.table());
        Self { endpoints, deliveries, events, circuits, drains, lines, queue }
    }

    pub(crate) const fn events(&self) -> &Events {
        &self.events
    }

    /// Deals with one message: a portion, and the message for the next one.
    ///
    /// # Errors
    /// When a store or a queue fails.
    pub async fn handle(&self, message: &ReleaseMessage, now: Timestamp) -> Result<(), ReleaseError> {
        let (tenant, id) = (&message.tenant, message.endpoint);
        if message.of_line {
            return self.end_line(message, tenant, id).await;
        }
        let Some((endpoint, as_probes)) = self.taking(tenant, id, now).await? else {
            return self.stop(tenant, id, &message.progress, now).await;
        };
        if message.as_probes || as_probes {
            self.stop(tenant, id, &message.progress, now).await?;
            return self.release_probes(&endpoint).await;
        }
        let drain = match message.progress.drain {
            None => self.begin(tenant, id, DrainState::Draining, message.by_circuit, now).await?,
            Some(_) => self.drains.get(tenant, id).await?,
        };
        let is_current = message.progress.drain.is_none_or(|number| number == drain.number);
        if is_current {
            self.drain(message, &endpoint, &drain, now).await?;
        }
        Ok(())
    }

    /// The endpoint, if it takes deliveries now, and whether its circuit takes them as probes only.
    async fn taking(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        now: Timestamp,
    ) -> Result<Option<(Endpoint, bool)>, TableError> {
        let Some(record) = self.endpoints.get(tenant, id).await? else { return Ok(None) };
        if record.endpoint.status != EndpointStatus::Active {
            return Ok(None);
        }
        Ok(match self.circuits.get(tenant, id, true).await?.admission(now) {
            Admission::Free => Some((record.endpoint, false)),
            Admission::AsProbe => Some((record.endpoint, true)),
            Admission::Refused(_) => None,
        })
    }

    /// Begins a drain, which takes over from the one before. A person's release also lets go what was kept.
    async fn begin(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        state: DrainState,
        stays_kept: bool,
        now: Timestamp,
    ) -> Result<Drain, TableError> {
        let begin = |drain: &mut Drain| {
            drain.begin(state, now);
            drain.kept_at = drain.kept_at.filter(|_| stays_kept);
            true
        };
        self.drains.change(tenant, id, now, begin).await
    }

    /// Says that a drain goes no further.
    async fn stop(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<(), ReleaseError> {
        let Some(number) = progress.drain else { return Ok(()) };
        let stop = |drain: &mut Drain| {
            let goes_on = drain.number == number && drain.state != DrainState::Idle;
            drain.state = if goes_on { DrainState::Idle } else { drain.state };
            goes_on
        };
        self.drains.change(tenant, id, now, stop).await?;
        Ok(())
    }

    /// Releases as many of the oldest as there are probes.
    async fn release_probes(&self, endpoint: &Endpoint) -> Result<(), ReleaseError> {
        let (tenant, id) = (&endpoint.tenant, endpoint.id);
        let kept_at = self.drains.get(tenant, id).await?.kept_at;
        let (mut probes, mut after) = (Vec::new(), None);
        loop {
            let page = self.deliveries.parked(tenant, id, after, PROBES).await?;
            let released =
                page.deliveries.into_iter().filter(|delivery| is_released(delivery.parked_at, kept_at));
            probes.extend(released);
            after = page.next;
            if probes.len() >= PROBES || after.is_none() {
                break;
            }
        }
        probes.truncate(PROBES);
        self.send(endpoint, probes, |_| Duration::ZERO).await?;
        Ok(())
    }

    /// Releases one portion, and hands on to the next.
    async fn drain(
        &self,
        message: &ReleaseMessage,
        endpoint: &Endpoint,
        drain: &Drain,
        now: Timestamp,
    ) -> Result<(), ReleaseError> {
        let (tenant, id, pace) = (&endpoint.tenant, endpoint.id, Pace::of(endpoint));
        let after = message.progress.after;
        let page = self.deliveries.parked(tenant, id, after, pace.portion()).await?;
        let last = page.deliveries.last().map(|delivery| delivery.id);
        let released: Vec<_> = page
            .deliveries
            .into_iter()
            .filter(|delivery| is_released(delivery.parked_at, drain.kept_at))
            .collect();
        let count = self.send(endpoint, released, |place| pace.delay(place)).await?;
        let last_look = message.progress.last_look;
        self.advance(drain, (tenant, id), (count, last), page.next.is_none() && !last_look, now).await?;
        let wait = pace.duration(count);
        if let Some((progress, wait)) = what_follows(drain, page.next, last_look, wait) {
            let next = outgoing(tenant, message.clone().at(progress), wait);
            send_all(&*self.queue, QueueName::Events, vec![next]).await?;
        }
        Ok(())
    }

    /// Sends the messages of deliveries. Answers how many there were.
    async fn send(
        &self,
        endpoint: &Endpoint,
        deliveries: Vec<Delivery>,
        delay: impl Fn(usize) -> Duration,
    ) -> Result<usize, ReleaseError> {
        let mut count = 0;
        let mut messages = stream::iter(deliveries)
            .map(|delivery| async move { message_for(&self.events, &delivery, endpoint.version).await })
            .buffered(16)
            // A delivery whose event has expired stays parked until it expires itself.
            .try_filter_map(|message| future::ready(Ok(message)))
            .try_chunks(SENT_TOGETHER);
        while let Some(messages) = messages.try_next().await.map_err(|TryChunksError(_, error)| error)? {
            let (mut standard, mut express) = (Vec::new(), Vec::new());
            for message in messages {
                let lane = message.event.lane();
                let message = outgoing(&endpoint.tenant, message.rechecked(), delay(count));
                if lane == Lane::Express {
                    express.push(message)
                } else {
                    standard.push(message)
                }
                count += 1;
            }
            for (lane, messages) in [(Lane::Express, express), (Lane::Standard, standard)] {
                send_all(&*self.queue, QueueName::of(endpoint.channel, lane), messages).await?;
            }
        }
        Ok(count)
    }

    /// Puts a portion on record: how many, and the last of them.
    async fn advance(
        &self,
        begun: &Drain,
        (tenant, id): (&TenantId, EndpointId),
        (count, last): (usize, Option<DeliveryId>),
        is_last: bool,
        now: Timestamp,
    ) -> Result<(), TableError> {
        if last.is_none() && !is_last {
            return Ok(());
        }
        let advance = |drain: &mut Drain| {
            if drain.number != begun.number {
                return false;
            }
            if let Some(last) = last {
                drain.advance(count as u64, last);
            }
            if is_last {
                (drain.state, drain.finished_at) = (DrainState::Idle, Some(now));
            }
            true
        };
        self.drains.change(tenant, id, now, advance).await?;
        Ok(())
    }
}

/// Where the next portion begins, and in how much time, after one that takes `wait`; `None` after the last look.
fn what_follows(
    drain: &Drain,
    next: Option<DeliveryId>,
    last_look: bool,
    wait: Duration,
) -> Option<(Progress, Duration)> {
    match next {
        Some(next) => Some((Progress::of(drain.number, Some(next), last_look), wait)),
        None if last_look => None,
        None => Some((Progress::of(drain.number, None, true), wait.saturating_add(LAST_LOOK))),
    }
}

/// Whether a parked delivery goes on when its endpoint takes deliveries: not what a person keeps.
pub(crate) fn is_released(parked_at: Option<Timestamp>, kept_at: Option<Timestamp>) -> bool {
    kept_at.is_none_or(|kept_at| parked_at.is_some_and(|parked_at| parked_at > kept_at))
}

fn outgoing(tenant: &TenantId, body: impl Into<Body>, delay: Duration) -> OutgoingMessage {
    OutgoingMessage::of(tenant, body, delay.min(MAX_DELAY))
}
