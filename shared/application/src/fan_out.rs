//! From an accepted event to one delivery, and one message, for each endpoint that asked for it.
//!
//! Deliveries are created under keys that follow from the event and the endpoint, on the condition that they
//! are not there, before their messages are sent. So a repetition, after a crash anywhere or of a message
//! that came twice, finds the deliveries and sends only what may be missing, marked to be checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, Delivery, EndpointId, Event, Pattern, TenantId};

use crate::cache::TimedCache;
use crate::messages::{
    ChannelMessage, DeliverMessage, EventsMessage, FanOutMessage, MessageError, Payload, WireEvent,
};
use crate::ports::queue::send_all;
use crate::ports::{
    BlobError, Blobs, Clock, OutgoingMessage, Queue, QueueError, QueueName, QueueRecord, TableError,
};
use crate::release::{Release, ReleaseError};
use crate::stores::deliveries::Created;
use crate::stores::endpoints::Subscriber;
use crate::stores::{Deliveries, Endpoints};

/// How many deliveries one message makes before it hands on to the next.
pub const CHUNK: usize = 250;

/// How many deliveries are created at a time.
const PARALLEL: usize = 32;

/// For how long after a delivery was created its first message is taken to be on its way. A second one, after a
/// crash or when the event was published again, is held back for as long: most likely there will be nothing
/// left to do for it.
const GRACE: Duration = Duration::from_secs(30);

/// How long subscriptions stay in memory. They are asked for by the tenant's version, so this bounds memory,
/// not freshness.
const CACHED: Duration = Duration::from_secs(600);

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
    /// Parked deliveries could not be released.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

/// Matches events with subscriptions.
pub struct FanOut {
    endpoints: Endpoints,
    deliveries: Deliveries,
    queue: Arc<dyn Queue>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    release: Release,
    subscribers: TimedCache<(TenantId, u64, Option<Pattern>), Arc<Vec<Subscriber>>>,
}

/// An endpoint that gets an event.
struct Target {
    channel: ChannelKind,
    endpoint_version: u64,
    max_attempts: u32,
}

impl FanOut {
    /// A fan-out over these stores.
    pub fn new(
        endpoints: Endpoints,
        deliveries: Deliveries,
        queue: Arc<dyn Queue>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        release: Release,
    ) -> Self {
        let subscribers = TimedCache::new(10_000, CACHED);
        Self { endpoints, deliveries, queue, blobs, clock, release, subscribers }
    }

    /// Deals with a batch of the queue `events`. Answers the ids of the messages that must come again.
    pub async fn handle(&self, records: Vec<QueueRecord>) -> Vec<String> {
        let parsed: Vec<_> =
            records.into_iter().map(|record| (EventsMessage::read(&record.body), record)).collect();
        let versions = self.versions(parsed.iter().filter_map(|(message, _)| message.as_ref().ok())).await;
        let handled = parsed.into_iter().map(|(message, record)| {
            let versions = &versions;
            async move {
                let result = match message {
                    Ok(EventsMessage::FanOut(message)) => self.fan_out(*message, versions).await,
                    Ok(EventsMessage::Release(message)) => {
                        self.release.handle(&message).await.map_err(FanOutError::from)
                    }
                    Err(error) => Err(error.into()),
                };
                crate::ports::queue::failure(&record, result)
            }
        });
        futures::future::join_all(handled).await.into_iter().flatten().collect()
    }

    /// The present versions of the tenants in a batch: one read for each tenant, not for each event. A tenant
    /// whose version cannot be read is left out and asked for again by its own messages.
    async fn versions(&self, messages: impl Iterator<Item = &EventsMessage>) -> HashMap<TenantId, u64> {
        let tenants: HashSet<TenantId> = messages
            .filter_map(|message| match message {
                EventsMessage::FanOut(message) => message.tenant().ok(),
                EventsMessage::Release(_) => None,
            })
            .collect();
        let asked = tenants.into_iter().map(|tenant| async move {
            let version = self.endpoints.version(&tenant).await.ok()?;
            Some((tenant, version))
        });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }

    async fn fan_out(
        &self,
        message: FanOutMessage,
        versions: &HashMap<TenantId, u64>,
    ) -> Result<(), FanOutError> {
        let tenant = message.tenant()?;
        let after = message.after()?;
        let (event, payload) = message.event.clone().read(&tenant)?;
        let version = match versions.get(&tenant) {
            Some(version) => *version,
            None => self.endpoints.version(&tenant).await?,
        };
        let targets = self.targets(&event, &payload, version).await?;
        let is_wanted = |id: &EndpointId| {
            after.is_none_or(|after| *id > after)
                && !(message.repeated && id.ulid().timestamp_ms() > event.accepted_at.as_millis())
        };
        let mut wanted = targets.into_iter().filter(|(id, _)| is_wanted(id));
        let chunk: Vec<_> = wanted.by_ref().take(CHUNK).collect();
        let goes_on = wanted.next().is_some();
        let last = chunk.last().map(|(id, _)| *id);
        self.deliver_to(&event, &message.event, chunk).await?;
        if let (true, Some(last)) = (goes_on, last) {
            let body = EventsMessage::FanOut(Box::new(message.going_on(last))).write();
            let next = OutgoingMessage { body, delay: Duration::ZERO, group: tenant.to_string() };
            send_all(&*self.queue, QueueName::Events, vec![next]).await?;
        }
        Ok(())
    }

    /// Creates the deliveries, then sends their messages.
    async fn deliver_to(
        &self,
        event: &Event,
        wire: &WireEvent,
        targets: Vec<(EndpointId, Target)>,
    ) -> Result<(), FanOutError> {
        let created = targets.into_iter().map(|(endpoint, target)| async move {
            let channel = target.channel;
            let message = self.create(event, wire, endpoint, &target).await?;
            Ok::<_, TableError>(message.map(|message| (channel, message)))
        });
        let messages: Vec<_> = stream::iter(created).buffered(PARALLEL).try_collect().await?;
        let mut by_channel: HashMap<ChannelKind, Vec<OutgoingMessage>> = HashMap::new();
        for (channel, (message, delay)) in messages.into_iter().flatten() {
            let group = event.tenant.to_string();
            let body = ChannelMessage::Deliver(Box::new(message)).write();
            by_channel.entry(channel).or_default().push(OutgoingMessage { body, delay, group });
        }
        for (channel, messages) in by_channel {
            send_all(&*self.queue, QueueName::Channel(channel), messages).await?;
        }
        Ok(())
    }

    /// Creates one delivery. Answers the message to send and its delay, unless the delivery is beyond its
    /// first attempt.
    async fn create(
        &self,
        event: &Event,
        wire: &WireEvent,
        endpoint: EndpointId,
        target: &Target,
    ) -> Result<Option<(DeliverMessage, Duration)>, TableError> {
        let now = self.clock.now();
        let delivery = Delivery::new(event, endpoint, target.channel, target.max_attempts, now);
        let message = |created_at| {
            DeliverMessage::first(&event.tenant, endpoint, target.endpoint_version, created_at, wire.clone())
        };
        Ok(match self.deliveries.create(&delivery).await? {
            Created::New => Some((message(now), Duration::ZERO)),
            Created::Existing(existing) if existing.attempt_count == 0 && existing.status.is_waiting() => {
                let held_back = GRACE.saturating_sub(now.since(existing.created_at));
                Some((message(existing.created_at).rechecked(), held_back))
            }
            Created::Existing(_) => None,
        })
    }

    /// The endpoints that get an event, by id.
    async fn targets(
        &self,
        event: &Event,
        payload: &Payload,
        version: u64,
    ) -> Result<BTreeMap<EndpointId, Target>, FanOutError> {
        let patterns: Vec<Option<Pattern>> = match &event.audience {
            Audience::Endpoints(ids) => return self.named(&event.tenant, ids).await,
            Audience::Defaults => vec![None],
            Audience::Subscribers => Pattern::all_matching(&event.event_type).into_iter().map(Some).collect(),
        };
        let mut data = None;
        let mut targets = BTreeMap::new();
        for pattern in patterns {
            for subscriber in self.subscribers(&event.tenant, version, pattern).await?.iter() {
                if let Some(filter) = &subscriber.filter {
                    let data = match &data {
                        Some(data) => data,
                        None => data.insert(crate::ports::blobs::load(&*self.blobs, payload).await?),
                    };
                    if !filter.matches(std::str::from_utf8(data).unwrap_or_default()) {
                        continue;
                    }
                }
                targets.insert(
                    subscriber.endpoint,
                    Target {
                        channel: subscriber.channel,
                        endpoint_version: subscriber.endpoint_version,
                        max_attempts: subscriber.max_attempts,
                    },
                );
            }
        }
        Ok(targets)
    }

    async fn named(
        &self,
        tenant: &TenantId,
        ids: &[EndpointId],
    ) -> Result<BTreeMap<EndpointId, Target>, FanOutError> {
        let mut targets = BTreeMap::new();
        for id in ids {
            // An endpoint that was deleted since then gets nothing.
            let Some(record) = self.endpoints.get(tenant, *id).await? else { continue };
            let endpoint = record.endpoint;
            targets.insert(
                *id,
                Target {
                    channel: endpoint.channel,
                    endpoint_version: endpoint.version,
                    max_attempts: endpoint.retry.max_attempts,
                },
            );
        }
        Ok(targets)
    }

    async fn subscribers(
        &self,
        tenant: &TenantId,
        version: u64,
        pattern: Option<Pattern>,
    ) -> Result<Arc<Vec<Subscriber>>, TableError> {
        let key = (tenant.clone(), version, pattern);
        let now = self.clock.now();
        if let Some(subscribers) = self.subscribers.get(&key, now) {
            return Ok(subscribers);
        }
        let subscribers = Arc::new(self.endpoints.subscribers(tenant, key.2.as_ref()).await?);
        self.subscribers.insert(key, Arc::clone(&subscribers), now);
        Ok(subscribers)
    }
}
