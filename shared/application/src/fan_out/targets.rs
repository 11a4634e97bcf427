//! Who gets an event: looked up by the patterns that match its type, and kept in memory by the tenant's version.

use std::collections::BTreeMap;
use std::sync::Arc;

use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, EndpointId, Event, Pattern, TenantId, Timestamp};

use super::{CHUNK, FanOut, FanOutError};
use crate::messages::Payload;
use crate::ports::TableError;
use crate::stores::endpoints::Subscriber;

/// An endpoint that gets an event.
pub(super) struct Target {
    pub(super) channel: ChannelKind,
    pub(super) endpoint_version: u64,
    pub(super) max_attempts: u32,
}

/// Which of an event's endpoints a message is about.
pub(super) struct Range {
    /// Those after this one.
    pub(super) after: Option<EndpointId>,
    /// Those that there were at this moment.
    pub(super) created_by: Option<Timestamp>,
}

impl Range {
    fn contains(&self, id: EndpointId) -> bool {
        self.after.is_none_or(|after| id > after)
            && self.created_by.is_none_or(|moment| id.ulid().timestamp_ms() <= moment.as_millis())
    }
}

impl FanOut {
    /// The endpoints in a range that get an event, by id: all of them, or at least the first [`CHUNK`] and one.
    pub(super) async fn targets(
        &self,
        event: &Event,
        payload: &Payload,
        version: u64,
        range: &Range,
    ) -> Result<BTreeMap<EndpointId, Target>, FanOutError> {
        let patterns: Vec<Option<Pattern>> = match &event.audience {
            Audience::Endpoints(ids) => return self.named(&event.tenant, ids, range).await,
            Audience::Defaults => vec![None],
            Audience::Subscribers => Pattern::all_matching(&event.event_type).into_iter().map(Some).collect(),
        };
        let mut data = None;
        let mut targets = BTreeMap::new();
        for pattern in patterns {
            let subscribers = self.subscribers(&event.tenant, version, pattern).await?;
            // They are in the order of their ids, so that each part begins where the one before ended. As many as
            // a part can take from every pattern are enough to know which come first.
            let begin = subscribers
                .partition_point(|subscriber| range.after.is_some_and(|after| subscriber.endpoint <= after));
            let mut found = 0;
            for subscriber in &subscribers[begin..] {
                if found > CHUNK {
                    break;
                }
                if !range.contains(subscriber.endpoint) || event.is_about(subscriber.endpoint) {
                    continue;
                }
                if let Some(filter) = &subscriber.filter {
                    let data = match &data {
                        Some(data) => data,
                        None => data.insert(crate::ports::blobs::load(&*self.blobs, payload).await?),
                    };
                    if !filter.matches(std::str::from_utf8(data).unwrap_or_default()) {
                        continue;
                    }
                }
                let target = Target {
                    channel: subscriber.channel,
                    endpoint_version: subscriber.endpoint_version,
                    max_attempts: subscriber.max_attempts,
                };
                found += usize::from(targets.insert(subscriber.endpoint, target).is_none());
            }
        }
        Ok(targets)
    }

    async fn named(
        &self,
        tenant: &TenantId,
        ids: &[EndpointId],
        range: &Range,
    ) -> Result<BTreeMap<EndpointId, Target>, FanOutError> {
        let mut targets = BTreeMap::new();
        for id in ids.iter().filter(|id| range.contains(**id)) {
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
