//! A tenant's events in a range of time, the oldest first: only which ones, for those who count.

use futures::future::try_join_all;
use postrider_domain::id::Ulid;
use postrider_domain::{EventId, TenantId, Timestamp};

use super::event_lists::{own_between, publishers_between};
use super::events::{Events, SHARDS, place_in_time, shard_partition};
use super::item::{invalid, text};
use crate::ports::table::{Item, Query, TableError, TableName};

/// An event that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// Its id.
    pub id: EventId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// All events from the beginning of a range to before a moment in it.
#[derive(Debug)]
pub struct EventRange {
    /// The events, the oldest first.
    pub events: Vec<AcceptedEvent>,
    /// The moment up to which these are all: the end of the range, when there are no more.
    pub until: Timestamp,
}

impl Events {
    /// The tenant's events that were accepted from `from` on: those before `until`, or as many as come first, about
    /// `portion` of them.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn accepted(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        until: Timestamp,
        portion: u32,
    ) -> Result<EventRange, TableError> {
        let Some(queries) = queries(tenant, from, until, portion) else {
            return Ok(EventRange { events: Vec::new(), until });
        };
        let read = queries.map(|query| self.read_beyond(tenant, query, from));
        let mut reached = until;
        let mut events = Vec::new();
        for (found, goes_on) in try_join_all(read).await? {
            // Behind the last of a portion there can be more of the same moment.
            let last = found.last().filter(|_| goes_on).map_or(until, |event| event.accepted_at);
            reached = reached.min(last);
            events.extend(found);
        }
        events.retain(|event| event.accepted_at < reached);
        events.sort_by_key(|event| event.accepted_at);
        Ok(EventRange { events, until: reached })
    }

    /// Whether the tenant has any event that was accepted from `from` on and before `until`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn has_any(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, TableError> {
        for query in queries(tenant, from, until, 1).into_iter().flatten() {
            if !self.0.query(query).await?.items.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a portion, or more, until it is beyond a moment. Answers whether there are more events after these.
    async fn read_beyond(
        &self,
        tenant: &TenantId,
        mut query: Query,
        moment: Timestamp,
    ) -> Result<(Vec<AcceptedEvent>, bool), TableError> {
        let mut events: Vec<AcceptedEvent> = Vec::new();
        loop {
            let page = self.0.query(query.clone()).await?;
            for item in &page.items {
                events.push(read(tenant, item)?);
            }
            query.start = page.next;
            let is_beyond = events.last().is_some_and(|event| event.accepted_at > moment);
            if query.start.is_none() || is_beyond {
                return Ok((events, query.start.is_some()));
            }
        }
    }
}

/// The queries for a range; `None` when nothing can be in it.
fn queries(
    tenant: &TenantId,
    from: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Option<impl Iterator<Item = Query>> {
    let last = until.as_millis().checked_sub(1).filter(|last| from.as_millis() <= *last)?;
    let (low, high) = (place_in_time(from, 0), place_in_time(Timestamp::from_millis(last), u128::MAX));
    let queries = (0..SHARDS).flat_map(move |shard| {
        let partition = shard_partition(tenant, shard);
        [own_between(&partition, &low, &high), publishers_between(&partition, &low, &high)]
    });
    Some(queries.map(move |query| Query { limit: Some(limit), ..query }))
}

/// Which event a row of the table, or of the index, stands for.
fn read(tenant: &TenantId, item: &Item) -> Result<AcceptedEvent, TableError> {
    let wrong = |error: &str| invalid(TableName::Ledger, error);
    let time_of = |place: &EventId| place.as_generated().map(|ulid: Ulid| ulid.timestamp_ms());
    let parse = |text: &str| text.parse::<EventId>().map_err(|_| wrong("a place in time is no event id"));
    let (id, place) = if item.contains("timeline_at") {
        let prefix = format!("T#{tenant}#E#");
        let id = text(item, "pk").strip_prefix(&prefix).ok_or_else(|| wrong("not an event's key"))?;
        (parse(id)?, parse(text(item, "timeline_at"))?)
    } else {
        let id = parse(text(item, "sk"))?;
        (id.clone(), id)
    };
    let millis = time_of(&place).ok_or_else(|| wrong("a place in time has none"))?;
    Ok(AcceptedEvent { id, accepted_at: Timestamp::from_millis(millis) })
}
