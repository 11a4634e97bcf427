//! A portion under way: what it sends, spread over its time, and what it counts.

use std::collections::{BTreeSet, HashMap};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::job::{Counts, SkipReason};
use postrider_domain::{DeadLetterId, Delivery, Endpoint, EndpointId, EventId, Job, TenantId};

use crate::messages::Body;
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueError, QueueName, TableError};
use crate::redeliver::{Redeliver, message_to};
use crate::stores::dead_letters::Handling;
use crate::stores::events::StoredEvent;

/// How many things are loaded, and their messages sent, together: it bounds what is in memory.
pub(super) const TOGETHER: usize = 100;

/// How many pages a portion looks at, at most, when little of them is sent.
pub(super) const PAGES: usize = 20;

/// How many reads and marks are made at the same time.
pub(super) const PARALLEL: usize = 16;

/// A portion under way.
pub(super) struct Sending<'a> {
    redeliver: &'a Redeliver,
    pub(super) job: &'a Job,
    pub(super) counts: Counts,
    unsent: Vec<(QueueName, Body)>,
}

/// Events that were looked up, by their ids.
pub(super) type FoundEvents = HashMap<EventId, Result<StoredEvent, TableError>>;

/// What is to be done about one delivery.
pub(super) enum Step {
    /// Its message is to be sent.
    Send(QueueName, Body),
    /// This job has done it, in a portion that was begun before.
    Sent,
    /// It is let be.
    Skip(SkipReason),
    /// Its event cannot be read.
    Fail,
}

/// An event that was looked up, or what becomes of its deliveries without it.
pub(super) fn readable<'e>(events: &'e FoundEvents, id: &EventId) -> Result<&'e StoredEvent, Step> {
    match events.get(id) {
        Some(Ok(stored)) => Ok(stored),
        Some(Err(error)) => {
            tracing::error!(event.id = %id, %error, "an event that is to be sent again cannot be read");
            Err(Step::Fail)
        }
        None => Err(Step::Skip(SkipReason::EventExpired)),
    }
}

impl<'a> Sending<'a> {
    pub(super) fn new(redeliver: &'a Redeliver, job: &'a Job) -> Self {
        Self { redeliver, job, counts: Counts::default(), unsent: Vec::new() }
    }

    /// How many more deliveries the portion has room for.
    pub(super) fn room(&self) -> usize {
        self.job.rate.portion().saturating_sub(self.counts.sent as usize)
    }

    /// The step that delivers an event to an endpoint, which may have a delivery of it already.
    pub(super) fn deliver(
        &self,
        stored: &StoredEvent,
        endpoint: &Endpoint,
        existing: Option<&Delivery>,
    ) -> Step {
        if existing.is_some_and(|delivery| delivery.renewed_by == Some(self.job.id)) {
            return Step::Sent;
        }
        let now = self.redeliver.clock.now();
        let message = message_to(stored, endpoint, existing, now).renewed(Some(self.job.id), now);
        let queue = QueueName::of(endpoint.channel, message.event.lane());
        Step::Send(queue, message.into())
    }

    /// Takes a step. Answers whether the delivery is this job's doing.
    pub(super) fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Send(queue, body) => {
                self.counts.sent += 1;
                self.unsent.push((queue, body));
                true
            }
            Step::Sent => {
                self.counts.sent += 1;
                true
            }
            Step::Skip(reason) => {
                self.counts.skip(reason);
                false
            }
            Step::Fail => {
                self.counts.failed += 1;
                false
            }
        }
    }

    /// Sends the messages of the steps taken so far, each delayed by its place within the portion.
    pub(super) async fn flush(&mut self) -> Result<(), QueueError> {
        let begin = (self.counts.sent as usize).saturating_sub(self.unsent.len());
        let mut by_queue: HashMap<QueueName, Vec<OutgoingMessage>> = HashMap::new();
        for (index, (queue, body)) in self.unsent.drain(..).enumerate() {
            let message = OutgoingMessage::of(&self.job.tenant, body, self.job.rate.delay(begin + index));
            by_queue.entry(queue).or_default().push(message);
        }
        for (queue, messages) in by_queue {
            send_all(&*self.redeliver.queue, queue, messages).await?;
        }
        Ok(())
    }
}

impl Redeliver {
    /// Those of these endpoints that exist.
    pub(super) async fn endpoints_of(
        &self,
        tenant: &TenantId,
        ids: impl IntoIterator<Item = EndpointId>,
    ) -> Result<HashMap<EndpointId, Endpoint>, TableError> {
        let ids: BTreeSet<EndpointId> = ids.into_iter().collect();
        let found: Vec<_> = stream::iter(ids)
            .map(|id| async move { self.endpoints.get(tenant, id).await })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().map(|record| (record.endpoint.id, record.endpoint)).collect())
    }

    /// Dead letters whose deliveries are made again need nobody's attention any more.
    pub(super) async fn mark_all(&self, job: &Job, letters: Vec<DeadLetterId>) -> Result<(), TableError> {
        let handling = Handling {
            at: self.clock.now(),
            by: job.created_by.clone(),
            note: job.note.clone(),
            job: Some(job.id),
        };
        let marked = stream::iter(letters).map(|id| self.mark_redriven(&job.tenant, id, handling.clone()));
        marked.buffer_unordered(PARALLEL).try_collect().await
    }
}
