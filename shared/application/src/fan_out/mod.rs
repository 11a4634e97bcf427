//! From an accepted event to one delivery, and one message, for each endpoint that asked for it.
//!
//! Deliveries are created under keys that follow from the event and the endpoint, on the condition that they
//! are not there, before their messages are sent. So a repetition, after a crash anywhere or of a message
//! that came twice, finds the deliveries and sends only what may be missing, marked to be checked.
//!
//! Beside that it puts on record which endpoints they are for, so that somebody can count them later.

mod record;
mod scheduled;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foldhash::{HashMap, HashSet};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use postrider_domain::{Delivery, EndpointId, Event, EventId, TenantId};

use crate::jobs::{RunJobError, RunJobs};
use crate::matching::{MatchError, Matching, Range, Target};
use crate::messages::{
    DeliverMessage, EventsMessage, FanOutMessage, JobMessage, MessageError, ReleaseMessage, SkipMessage,
};
use crate::ports::queue::failure;
use crate::ports::{
    BlobError, Blobs, Clock, OutgoingMessage, Queue, QueueError, QueueName, QueueRecord, TableError,
};
use crate::release::{Release, ReleaseError};
use crate::stores::deliveries::Created;
use crate::stores::{Deliveries, Endpoints, Manifests};

/// How many deliveries one message makes before it hands on to the next.
pub use crate::matching::CHUNK;

/// How many deliveries of a batch are created at a time.
const PARALLEL: usize = 64;

/// After how many deliveries their messages are sent, without waiting for the rest of the batch. A multiple of
/// the 10 that SQS takes in one request; it bounds what is in memory, and how long an event waits for others.
const SENT_TOGETHER: usize = 50;

/// How many portions of messages are sent at a time.
const SENDS: usize = 4;

/// For how long after a delivery was created its first message is taken to be on its way. A second one, after a
/// crash or when the event was published again, is held back for as long: most likely there will be nothing
/// left to do for it.
const GRACE: Duration = Duration::from_secs(30);

/// By how much the clocks of those who made an endpoint and who accepted an event may differ. When an event is
/// published again, an endpoint that was made this soon after it gets it, too, rather than one not that was there.
pub(crate) const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// A message could not be dealt with; it comes again.
#[derive(Debug, thiserror::Error)]
pub enum FanOutError {
    /// The message cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store of large payloads failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// It could not be put on record which deliveries there should be.
    #[error(transparent)]
    Manifest(Arc<TableError>),
    /// The event kept changing.
    #[error("the event {0} kept changing when it was to be delivered")]
    Contended(EventId),
    /// Parked deliveries could not be released.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// It cannot be told who gets the event.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// A job could not be moved on.
    #[error(transparent)]
    Job(#[from] RunJobError),
}

/// Matches events with subscriptions.
pub struct FanOut {
    matching: Matching,
    deliveries: Deliveries,
    manifests: Manifests,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    release: Release,
    jobs: RunJobs,
}

/// What one message of the queue `events` asks for: the next endpoints of an event.
struct Part {
    event: Event,
    message: FanOutMessage,
    /// The endpoint after which it begins.
    after: Option<EndpointId>,
    targets: Vec<(EndpointId, Target)>,
    /// Whether there are endpoints after these.
    goes_on: bool,
}

/// What became of one delivery of a part: the message to send, if it needs one.
type Made = (usize, Result<Option<(QueueName, OutgoingMessage)>, TableError>);

impl FanOut {
    /// A fan-out over these stores, and what is kept beside them.
    pub fn new(
        endpoints: Endpoints,
        deliveries: Deliveries,
        queue: Arc<dyn Queue>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        release: Release,
        jobs: RunJobs,
    ) -> Self {
        let matching = Matching::new(endpoints, blobs, clock.clone());
        let manifests = Manifests::new(deliveries.table());
        Self { matching, deliveries, manifests, queue, clock, release, jobs }
    }

    /// Deals with a batch of the queue `events`. Answers the ids of the messages that must come again.
    pub async fn handle(&self, records: Vec<QueueRecord>) -> Vec<String> {
        let (mut events, mut releases, mut skips) = (Vec::new(), Vec::new(), Vec::new());
        let (mut jobs, mut results) = (Vec::new(), Vec::new());
        for (index, record) in records.iter().enumerate() {
            match record.body.events() {
                Ok(EventsMessage::FanOut(message)) => events.push((index, message)),
                Ok(EventsMessage::Job(message)) => jobs.push((index, message, record.receive_count)),
                Ok(EventsMessage::Release(message)) => releases.push((index, message)),
                Ok(EventsMessage::Skip(message)) => skips.push((index, message)),
                Err(error) => results.push((index, Err(error.into()))),
            }
        }
        let (events, releases, skips, jobs) = futures::join!(
            self.fan_out(events),
            self.release_all(releases),
            self.skip_all(skips),
            self.run_jobs(jobs)
        );
        let results = results.into_iter().chain(events).chain(releases).chain(skips).chain(jobs);
        results.filter_map(|(index, result)| failure(&records[index], result)).collect()
    }

    async fn release_all(&self, messages: Vec<(usize, ReleaseMessage)>) -> Vec<Indexed> {
        let released = messages.into_iter().map(|(index, message)| async move {
            let released = self.release.handle(&message, self.clock.now()).await;
            (index, released.map_err(FanOutError::from))
        });
        join_all(released).await
    }

    async fn skip_all(&self, messages: Vec<(usize, SkipMessage)>) -> Vec<Indexed> {
        let skipped = messages.into_iter().map(|(index, message)| async move {
            let skipped = self.release.skip(&message, self.clock.now()).await;
            (index, skipped.map_err(FanOutError::from))
        });
        join_all(skipped).await
    }

    async fn run_jobs(&self, messages: Vec<(usize, JobMessage, u32)>) -> Vec<Indexed> {
        let run = messages.into_iter().map(|(index, message, receive_count)| async move {
            (index, self.jobs.handle(&message, receive_count).await.map_err(FanOutError::from))
        });
        join_all(run).await
    }

    /// Deals with the events of a batch together, so that their messages share requests. Each event succeeds or
    /// fails by itself.
    async fn fan_out(&self, messages: Vec<(usize, FanOutMessage)>) -> Vec<Indexed> {
        let versions = self.versions(messages.iter().map(|(_, message)| message)).await;
        let planned = messages.into_iter().map(|(index, message)| {
            let versions = &versions;
            async move { (index, self.plan(message, versions).await) }
        });
        let (mut parts, mut indexes, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (index, planned) in join_all(planned).await {
            match planned {
                Ok(None) => results.push((index, Ok(()))),
                Ok(Some(part)) => {
                    parts.push(part);
                    indexes.push(index);
                }
                Err(error) => results.push((index, Err(error))),
            }
        }
        let (mut failures, not_recorded) = futures::join!(self.deliver(&parts), self.record(&parts));
        failures.extend(not_recorded);
        failures.extend(self.go_on(&parts, &failures).await);
        results.extend(indexes.into_iter().enumerate().map(|(part, index)| match failures.remove(&part) {
            Some(error) => (index, Err(error)),
            None => (index, Ok(())),
        }));
        results
    }

    /// The present versions of the tenants in a batch: one read for each tenant, not for each event. A tenant
    /// whose version cannot be read is left out and asked for again by its own messages.
    async fn versions(&self, messages: impl Iterator<Item = &FanOutMessage>) -> HashMap<TenantId, u64> {
        let tenants: HashSet<TenantId> = messages.map(|message| message.tenant.clone()).collect();
        let asked = tenants.into_iter().map(|tenant| async move {
            let version = self.matching.endpoints().version(&tenant).await.ok()?;
            Some((tenant, version))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Finds the endpoints that a message is about; `None` when there is nothing to be done now.
    async fn plan(
        &self,
        message: FanOutMessage,
        versions: &HashMap<TenantId, u64>,
    ) -> Result<Option<Part>, FanOutError> {
        let (tenant, after) = (&message.tenant, message.after);
        let (event, payload) = message.event.read(tenant)?;
        // Boxed because it is seldom asked for: a batch has a future of this kind for each of its events.
        let is_scheduled = event.begins_at() != event.accepted_at;
        if is_scheduled && !Box::pin(self.begins(&message, &event)).await? {
            return Ok(None);
        }
        let version = match versions.get(tenant) {
            Some(version) => *version,
            None => self.matching.endpoints().version(tenant).await?,
        };
        let created_by = message.repeated.then(|| event.begins_at().after(CLOCKS_DIFFER));
        let range = Range { after, created_by, only_in_order: false };
        let mut wanted = self.matching.targets(&event, &payload, version, &range).await?.into_iter();
        let targets = wanted.by_ref().take(CHUNK).collect();
        let goes_on = wanted.next().is_some();
        Ok(Some(Part { event, message, after, targets, goes_on }))
    }

    /// Creates the deliveries, and sends their messages as soon as enough of them are there. Answers the first
    /// failure of each part that had one.
    async fn deliver(&self, parts: &[Part]) -> HashMap<usize, FanOutError> {
        let has_failed: Vec<_> = parts.iter().map(|_| AtomicBool::new(false)).collect();
        let has_failed = &has_failed;
        let created = in_turns(parts).map(|(index, place)| async move {
            // What is left of a part comes again as a whole.
            if has_failed[index].load(Ordering::Relaxed) {
                return (index, Ok(None));
            }
            let (endpoint, target) = &parts[index].targets[place];
            let created = self.create(&parts[index], *endpoint, target).await;
            has_failed[index].fetch_or(created.is_err(), Ordering::Relaxed);
            (index, created)
        });
        // Usually far fewer, for which there needs no such room.
        let count = parts.iter().map(|part| part.targets.len()).sum::<usize>();
        let sent = stream::iter(created)
            .buffered(PARALLEL)
            .chunks(SENT_TOGETHER.min(count).max(1))
            .map(|made| self.send(made))
            .buffered(SENDS);
        let mut failures = HashMap::default();
        for (index, error) in sent.collect::<Vec<_>>().await.into_iter().flatten() {
            failures.entry(index).or_insert(error);
        }
        failures
    }

    /// Sends messages, those of each queue together. Answers the failures by part.
    async fn send(&self, made: Vec<Made>) -> Vec<(usize, FanOutError)> {
        let mut failures = Vec::new();
        let mut queues: HashMap<QueueName, (Vec<usize>, Vec<OutgoingMessage>)> = HashMap::default();
        for (index, made) in made {
            match made {
                Ok(Some((queue, message))) => {
                    let (indexes, messages) = queues.entry(queue).or_default();
                    indexes.push(index);
                    messages.push(message);
                }
                Ok(None) => {}
                Err(error) => failures.push((index, error.into())),
            }
        }
        let sent = queues.into_iter().map(|(queue, (indexes, messages))| async move {
            let results = self.queue.send(queue, messages).await;
            failed(indexes, results)
        });
        failures.extend(join_all(sent).await.into_iter().flatten());
        failures
    }

    /// Hands the rest of an event's endpoints to the next message, once all of this part are taken care of.
    async fn go_on(
        &self,
        parts: &[Part],
        failures: &HashMap<usize, FanOutError>,
    ) -> Vec<(usize, FanOutError)> {
        let (mut indexes, mut messages) = (Vec::new(), Vec::new());
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| !failures.contains_key(index)) {
            let Some((last, _)) = part.targets.last().filter(|_| part.goes_on) else { continue };
            let rest = part.message.clone().going_on(*last);
            messages.push(OutgoingMessage::of(&part.event.tenant, rest, Duration::ZERO));
            indexes.push(index);
        }
        if messages.is_empty() {
            return Vec::new();
        }
        failed(indexes, self.queue.send(QueueName::Events, messages).await)
    }

    /// Creates one delivery. Answers the message to send, unless the delivery is beyond its first attempt.
    async fn create(
        &self,
        part: &Part,
        endpoint: EndpointId,
        target: &Target,
    ) -> Result<Option<(QueueName, OutgoingMessage)>, TableError> {
        let now = self.clock.now();
        let event = &part.event;
        let delivery = Delivery::new(event, endpoint, target.channel, target.max_attempts, now);
        let message = |created_at| {
            let wire = Arc::clone(&part.message.event);
            DeliverMessage::first(&event.tenant, endpoint, target.endpoint_version, created_at, wire)
        };
        let (message, delay) = match self.deliveries.create(&delivery).await? {
            Created::New => (message(now), Duration::ZERO),
            // Accepting created it. Its message only says that there is something in the line.
            Created::Existing(existing) if target.in_order && existing.status.is_waiting() => {
                (message(existing.created_at).rechecked(), Duration::ZERO)
            }
            Created::Existing(existing) if existing.attempt_count == 0 && existing.status.is_waiting() => {
                let held_back = GRACE.saturating_sub(now.since(existing.created_at));
                (message(existing.created_at).rechecked(), held_back)
            }
            Created::Existing(_) => return Ok(None),
        };
        let queue = QueueName::of(target.channel, event.priority.lane());
        Ok(Some((queue, OutgoingMessage::of(&event.tenant, message, delay))))
    }
}

type Indexed = (usize, Result<(), FanOutError>);

/// The places of all parts' endpoints, the first of each part before the second of any: an event for a few
/// endpoints does not wait for one for thousands in the same batch.
fn in_turns(parts: &[Part]) -> impl Iterator<Item = (usize, usize)> {
    let turns = parts.iter().map(|part| part.targets.len()).max().unwrap_or(0);
    let turn = move |turn| {
        let has_one = move |part: &usize| turn < parts[*part].targets.len();
        (0..parts.len()).filter(has_one).map(move |part| (part, turn))
    };
    (0..turns).flat_map(turn)
}

/// The failures among the results of sending, by part.
fn failed(indexes: Vec<usize>, results: Vec<Result<(), QueueError>>) -> Vec<(usize, FanOutError)> {
    let results = indexes.into_iter().zip(results);
    results.filter_map(|(index, result)| Some((index, result.err()?.into()))).collect()
}
