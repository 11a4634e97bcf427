//! Lists of a tenant's events, newest first.

use postrider_domain::{EventType, TenantId, Timestamp};

use super::events::{Events, SHARDS, StoredEvent, TABLE, place_in_time, read_item, shard_partition};
use super::item::{key_of, text};
use super::merge::merge_descending;
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, IndexName, Item, Query, TableError};

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventType>,
    /// Accepted at or after this moment.
    pub since: Option<Timestamp>,
    /// Accepted before this moment.
    pub until: Option<Timestamp>,
}

/// How often a list asks on for rows that the filter may let through, before it answers what it has.
const ROUNDS: usize = 10;

impl Events {
    /// A tenant's events, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        request: PageRequest,
    ) -> Result<Paged<StoredEvent>, TableError> {
        let low = place_in_time(filter.since.unwrap_or_default(), 0);
        let high = filter.until.map_or_else(|| "evt_~".to_owned(), |until| place_in_time(until, 0));
        let mut below = request.after.unwrap_or(high);
        let mut events = Vec::new();
        for _ in 0..ROUNDS {
            // DynamoDB refuses a range whose ends are in the wrong order.
            if just_below(&below) < low {
                return Ok(Paged { items: events, next: None });
            }
            let queries = (0..SHARDS).flat_map(|shard| {
                let partition = shard_partition(tenant, shard);
                [own(&partition, filter, &low, &below), publishers(&partition, &low, &below)]
            });
            let merged = merge_descending(&*self.0, queries.collect(), request.limit, place).await?;
            let mut last = None;
            for (place, stored) in self.load(tenant, merged.rows).await? {
                last = Some(place);
                if filter.event_type.as_ref().is_none_or(|wanted| *wanted == stored.event.event_type) {
                    events.push(stored);
                }
                if events.len() == request.limit {
                    break;
                }
            }
            if events.len() == request.limit {
                return Ok(Paged { items: events, next: last });
            }
            match merged.reached {
                Some(reached) => below = reached,
                None => return Ok(Paged { items: events, next: None }),
            }
        }
        Ok(Paged { items: events, next: Some(below) })
    }

    /// Reads the events that an index named, and passes on those that are there already.
    async fn load(
        &self,
        tenant: &TenantId,
        rows: Vec<(String, Item)>,
    ) -> Result<Vec<(String, StoredEvent)>, TableError> {
        let is_named = |item: &Item| !item.contains("event");
        let keys = rows.iter().filter(|(_, item)| is_named(item)).map(|(_, item)| key_of(item)).collect();
        let loaded = self.0.batch_get(TABLE, keys).await?;
        let mut events = Vec::new();
        for (place, item) in rows {
            let item = if is_named(&item) {
                let wanted = key_of(&item);
                // Between the index and the table an event can expire.
                match loaded
                    .iter()
                    .find(|item| text(item, "pk") == wanted.pk && text(item, "sk") == wanted.sk)
                {
                    Some(item) => item.clone(),
                    None => continue,
                }
            } else {
                item
            };
            events.push((place, read_item(tenant, item)?));
        }
        Ok(events)
    }
}

/// The row's place in time.
fn place(item: &Item) -> String {
    let attribute = if item.contains("timeline_at") { "timeline_at" } else { "sk" };
    text(item, attribute).to_owned()
}

/// Events under ids that were made here. `below` is exclusive: it was the last row of the page before.
fn own(partition: &str, filter: &EventFilter, low: &str, below: &str) -> Query {
    let wanted = filter.event_type.as_ref();
    Query {
        filter: wanted
            .map(|wanted| Expression::new("event_type = :type").text_value(":type", wanted.as_str())),
        ..own_between(partition, low, &just_below(below))
    }
}

/// Events under their publishers' ids.
fn publishers(partition: &str, low: &str, below: &str) -> Query {
    publishers_between(partition, low, &just_below(below))
}

/// Events under ids that were made here, from one place to another.
pub(super) fn own_between(partition: &str, low: &str, high: &str) -> Query {
    let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high")
        .text_value(":pk", partition)
        .text_value(":low", low)
        .text_value(":high", high);
    Query { keys, ..Query::partition(TABLE, partition) }
}

/// Events under their publishers' ids, from one place to another.
pub(super) fn publishers_between(partition: &str, low: &str, high: &str) -> Query {
    let keys = Expression::new("timeline = :pk AND timeline_at BETWEEN :low AND :high")
        .text_value(":pk", partition)
        .text_value(":low", low)
        .text_value(":high", high);
    Query { index: Some(IndexName::Timeline), keys, ..Query::partition(TABLE, partition) }
}

/// The greatest place that sorts below another: its last character one lower, followed by one that sorts
/// after all that occur.
fn just_below(place: &str) -> String {
    let mut text = place.to_owned();
    let last = text.pop().and_then(|last| char::from_u32(u32::from(last).saturating_sub(1)));
    text.extend(last);
    text.push('~');
    text
}
