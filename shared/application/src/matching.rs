//! Who gets an event: looked up by the patterns that match its type, and kept in memory by the tenant's version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, EndpointId, Event, EventType, Pattern, TenantId, Timestamp};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::cache::TimedCache;
use crate::messages::Payload;
use crate::ports::blobs::load;
use crate::ports::{BlobError, Blobs, Clock, TableError};
use crate::stores::Endpoints;
use crate::stores::endpoints::Subscriber;

/// How many endpoints are asked for at a time.
pub const CHUNK: usize = 250;

/// How long subscriptions stay in memory. They are asked for by the tenant's version, so this bounds memory,
/// not freshness.
const CACHED: Duration = Duration::from_secs(600);

/// How many large payloads are read at a time, to be looked into by filters: a batch has ten, which with what reading
/// takes would be more than half of a function's memory.
const LARGE: usize = 4;

/// It cannot be told who gets an event.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The store of large payloads failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// An endpoint that gets an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) channel: ChannelKind,
    pub(crate) endpoint_version: u64,
    pub(crate) max_attempts: u32,
    pub(crate) in_order: bool,
}

/// Which of an event's endpoints are asked for.
#[derive(Debug, Default)]
pub(crate) struct Range {
    /// Those after this one.
    pub(crate) after: Option<EndpointId>,
    /// Those that there were at this moment.
    pub(crate) created_by: Option<Timestamp>,
    /// Only those whose deliveries go one after the other.
    pub(crate) only_in_order: bool,
}

impl Range {
    fn contains(&self, id: EndpointId, in_order: bool) -> bool {
        (in_order || !self.only_in_order)
            && self.after.is_none_or(|after| id > after)
            && self.created_by.is_none_or(|moment| id.ulid().timestamp_ms() <= moment.as_millis())
    }
}

/// Whoever gets an event, in a list for each pattern.
type Lists = Arc<[Arc<Vec<Subscriber>>]>;

/// Matches events with subscriptions.
pub(crate) struct Matching {
    endpoints: Endpoints,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    subscribers: TimedCache<(TenantId, u64, Option<Pattern>), Arc<Vec<Subscriber>>>,
    /// The same by the type of an event: those of each pattern that matches it.
    by_type: TimedCache<(TenantId, u64, EventType), Lists>,
    large: Semaphore,
}

impl Matching {
    pub(crate) fn new(endpoints: Endpoints, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self {
            endpoints,
            blobs,
            clock,
            subscribers: TimedCache::new(10_000, CACHED),
            by_type: TimedCache::new(10_000, CACHED),
            large: Semaphore::new(LARGE),
        }
    }

    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The endpoints in a range that get an event, by id: all of them, or at least the first [`CHUNK`] and one.
    pub(crate) async fn targets(
        &self,
        event: &Event,
        payload: &Payload,
        version: u64,
        range: &Range,
    ) -> Result<BTreeMap<EndpointId, Target>, MatchError> {
        let lists = match &event.audience {
            Audience::Endpoints(ids) => return Ok(self.named(&event.tenant, ids, range).await?),
            Audience::Defaults => {
                Lists::from([self.subscribers(&event.tenant, version, None, self.clock.now()).await?])
            }
            Audience::Subscribers => {
                self.subscribers_of(&event.tenant, version, event.event_type.clone()).await?
            }
        };
        let mut data = None;
        let mut targets = BTreeMap::new();
        for subscribers in &*lists {
            // They are in the order of their ids, so that each part begins where the one before ended. As many as
            // a part can take from every pattern are enough to know which come first.
            let begin = subscribers
                .partition_point(|subscriber| range.after.is_some_and(|after| subscriber.endpoint <= after));
            let mut found = 0;
            for subscriber in &subscribers[begin..] {
                if found > CHUNK {
                    break;
                }
                if !range.contains(subscriber.endpoint, subscriber.in_order)
                    || event.is_about(subscriber.endpoint)
                {
                    continue;
                }
                if let Some(filter) = &subscriber.filter {
                    let (_, data) = match &data {
                        Some(data) => data,
                        None => data.insert(self.load(payload).await?),
                    };
                    if !filter.matches(std::str::from_utf8(data).unwrap_or_default()) {
                        continue;
                    }
                }
                let target = Target {
                    channel: subscriber.channel,
                    endpoint_version: subscriber.endpoint_version,
                    max_attempts: subscriber.max_attempts,
                    in_order: subscriber.in_order,
                };
                found += usize::from(targets.insert(subscriber.endpoint, target).is_none());
            }
        }
        Ok(targets)
    }

    /// The data of an event, and its place among those that are held at a time.
    async fn load(&self, payload: &Payload) -> Result<(Option<SemaphorePermit<'_>>, Bytes), BlobError> {
        let place = match payload {
            // It is never closed.
            Payload::Stored { .. } => self.large.acquire().await.ok(),
            Payload::Inline(_) => None,
        };
        Ok((place, load(&*self.blobs, payload).await?))
    }

    async fn named(
        &self,
        tenant: &TenantId,
        ids: &[EndpointId],
        range: &Range,
    ) -> Result<BTreeMap<EndpointId, Target>, TableError> {
        let mut targets = BTreeMap::new();
        for id in ids.iter().filter(|id| range.contains(**id, true)) {
            // An endpoint that was deleted since then gets nothing.
            let Some(record) = self.endpoints.get(tenant, *id).await? else { continue };
            let endpoint = record.endpoint;
            let in_order = endpoint.in_order.is_some();
            if !range.contains(*id, in_order) {
                continue;
            }
            targets.insert(
                *id,
                Target {
                    channel: endpoint.channel,
                    endpoint_version: endpoint.version,
                    max_attempts: endpoint.retry.max_attempts,
                    in_order,
                },
            );
        }
        Ok(targets)
    }

    /// Whoever has subscribed to a type of events, in a list for each pattern.
    async fn subscribers_of(
        &self,
        tenant: &TenantId,
        version: u64,
        event_type: EventType,
    ) -> Result<Lists, TableError> {
        let (key, now) = ((tenant.clone(), version, event_type), self.clock.now());
        if let Some(lists) = self.by_type.get(&key, now) {
            return Ok(lists);
        }
        let mut lists = Vec::new();
        for pattern in Pattern::all_matching(&key.2) {
            lists.push(self.subscribers(tenant, version, Some(pattern), now).await?);
        }
        let lists: Lists = lists.into();
        self.by_type.insert(key, Arc::clone(&lists), now);
        Ok(lists)
    }

    async fn subscribers(
        &self,
        tenant: &TenantId,
        version: u64,
        pattern: Option<Pattern>,
        now: Timestamp,
    ) -> Result<Arc<Vec<Subscriber>>, TableError> {
        let key = (tenant.clone(), version, pattern);
        if let Some(subscribers) = self.subscribers.get(&key, now) {
            return Ok(subscribers);
        }
        let subscribers = Arc::new(self.endpoints.subscribers(tenant, key.2.as_ref()).await?);
        self.subscribers.insert(key, Arc::clone(&subscribers), now);
        Ok(subscribers)
    }
}
