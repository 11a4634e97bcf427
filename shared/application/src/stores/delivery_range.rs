//! An endpoint's deliveries in a range of time, the oldest event first, how many there are, and how they stand.

use postrider_domain::id::Ulid;
use postrider_domain::job::ReplayScope;
use postrider_domain::{Delivery, DeliveryStatus, EndpointId, EventType, TenantId, Timestamp};

use super::deliveries::{Deliveries, read_item};
use super::delivery_item::{TABLE, id_of, partition};
use super::item::{invalid, number, text};
use crate::ports::table::{Expression, Item, Key, Query, TableError};

/// Deliveries that were looked at.
#[derive(Debug)]
pub struct RangePage {
    /// The deliveries, those of other states and types too.
    pub deliveries: Vec<Delivery>,
    /// The place of the last one; `None` when there are no more after these.
    pub next: Option<String>,
}

/// How many deliveries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RangeCount {
    /// How many of those looked at are asked for.
    pub matched: u64,
    /// How many were looked at.
    pub looked_at: u64,
}

/// How a delivery stands.
#[derive(Debug)]
pub struct Standing {
    /// What stands for its event in its id.
    pub event: Ulid,
    /// Its status.
    pub status: DeliveryStatus,
    /// All of it, where a message stands behind the status.
    pub waiting: Option<Box<Delivery>>,
    /// Since when it is parked.
    pub parked_at: Option<Timestamp>,
}

impl Standing {
    /// How this delivery stands.
    pub fn of(delivery: Delivery) -> Self {
        let (event, status, parked_at) = (delivery.id.event_part(), delivery.status, delivery.parked_at);
        Self { event, status, parked_at, waiting: status.is_waiting().then(|| Box::new(delivery)) }
    }
}

impl Deliveries {
    /// How all deliveries of an endpoint stand whose events were accepted from `since` on and before `until`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn standings(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Standing>, TableError> {
        let mut standings = Vec::new();
        let Some(mut query) = between(tenant, endpoint, since, until) else { return Ok(standings) };
        loop {
            let page = self.0.query(query.clone()).await?;
            for item in page.items {
                let status = text(&item, "status").parse().map_err(|error| invalid(TABLE, error))?;
                let id = id_of(text(&item, "pk"), text(&item, "sk"))?;
                // Most are over: there is no need to read their attempts.
                standings.push(match status {
                    DeliveryStatus::Pending | DeliveryStatus::Retrying => {
                        Standing::of(read_item(tenant, item)?)
                    }
                    _ => {
                        let parked_at = number(&item, "parked_at").map(Timestamp::from_millis);
                        Standing { event: id.event_part(), status, waiting: None, parked_at }
                    }
                });
            }
            match page.next {
                Some(next) => query.start = Some(next),
                None => return Ok(standings),
            }
        }
    }

    /// The deliveries of the scope's endpoint in its range of time after a place, `limit` of them at most.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn range(
        &self,
        tenant: &TenantId,
        scope: &ReplayScope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<RangePage, TableError> {
        let Some(query) = query(tenant, scope, after, limit) else {
            return Ok(RangePage { deliveries: Vec::new(), next: None });
        };
        let page = self.0.query(query).await?;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        let deliveries: Result<_, _> = page.items.into_iter().map(|item| read_item(tenant, item)).collect();
        Ok(RangePage { deliveries: deliveries?, next })
    }

    /// Counts a page of the same. Answers with the place after which to go on; `None` after the last.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn count_range(
        &self,
        tenant: &TenantId,
        scope: &ReplayScope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(RangeCount, Option<String>), TableError> {
        let Some(query) = query(tenant, scope, after, limit) else {
            return Ok((RangeCount::default(), None));
        };
        let page = self.0.query(query).await?;
        let matched = page.items.iter().filter(|item| is_asked_for(scope, item)).count() as u64;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        Ok((RangeCount { matched, looked_at: page.items.len() as u64 }, next))
    }
}

fn is_asked_for(scope: &ReplayScope, item: &Item) -> bool {
    let status: Option<DeliveryStatus> = text(item, "status").parse().ok();
    let event_type: Option<EventType> = text(item, "event_type").parse().ok();
    status.zip(event_type).is_some_and(|(status, event_type)| scope.admits(status, &event_type))
}

/// The query; `None` when nothing can be in the range.
fn query(tenant: &TenantId, scope: &ReplayScope, after: Option<&str>, limit: usize) -> Option<Query> {
    if after.is_some_and(|after| last_before(scope.until).is_none_or(|high| *after >= *high)) {
        return None;
    }
    let query = between(tenant, scope.endpoint, scope.since, scope.until)?;
    let pk = partition(tenant, scope.endpoint);
    Some(Query {
        limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        start: after.map(|after| Key::new(pk, after).into_item()),
        consistent: true,
        ..query
    })
}

/// The query for an endpoint's deliveries of a range of time; `None` when nothing can be in it.
fn between(tenant: &TenantId, endpoint: EndpointId, since: Timestamp, until: Timestamp) -> Option<Query> {
    let (low, high) = (Ulid::from_parts(since.as_millis(), 0).to_string(), last_before(until)?);
    if low > high {
        return None;
    }
    let pk = partition(tenant, endpoint);
    let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high")
        .text_value(":pk", pk.clone())
        .text_value(":low", low)
        .text_value(":high", high);
    Some(Query { keys, ..Query::partition(TABLE, pk) })
}

/// The last place before a moment.
fn last_before(until: Timestamp) -> Option<String> {
    let millis = until.as_millis().checked_sub(1)?;
    Some(Ulid::from_parts(millis, u128::MAX).to_string())
}
