//! Lists of a tenant's deliveries, the newest event first.

use postrider_domain::id::Ulid;
use postrider_domain::{Delivery, DeliveryId, DeliveryStatus, EndpointId, EventType, TenantId, Timestamp};

use super::deliveries::{Deliveries, read_item};
use super::delivery_item::{TABLE, id_of, open_partition, partition};
use super::item::text;
use super::merge::merge_descending;
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, IndexName, Item, Query, TableError};

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// With this status.
    pub status: Option<DeliveryStatus>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events accepted at or after this moment.
    pub since: Option<Timestamp>,
    /// Of events accepted before this moment.
    pub until: Option<Timestamp>,
}

impl DeliveryFilter {
    /// Whether a delivery is asked for. The bounds of time apply to its event's acceptance.
    pub fn admits(&self, delivery: &Delivery) -> bool {
        let accepted_at = Timestamp::from_millis(delivery.id.event_part().timestamp_ms());
        self.status.is_none_or(|status| delivery.status == status)
            && self.event_type.as_ref().is_none_or(|wanted| delivery.event_type == *wanted)
            && self.since.is_none_or(|since| accepted_at >= since)
            && self.until.is_none_or(|until| accepted_at < until)
    }
}

/// How often a list asks on for rows that the filter may let through, before it answers what it has.
const ROUNDS: usize = 10;

impl Deliveries {
    /// The deliveries of some of a tenant's endpoints.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        endpoints: &[EndpointId],
        filter: &DeliveryFilter,
        request: PageRequest,
    ) -> Result<Paged<Delivery>, TableError> {
        let bounds = Bounds::new(filter);
        let queries = |below: Option<&str>| {
            let high = bounds.high_below(below)?;
            let query = |endpoint: &EndpointId| {
                let pk = partition(tenant, *endpoint);
                let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high")
                    .text_value(":pk", pk.clone())
                    .text_value(":low", bounds.low.clone())
                    .text_value(":high", high.clone());
                Query { keys, ..Query::partition(TABLE, pk) }
            };
            Some(endpoints.iter().map(query).collect())
        };
        self.walk(tenant, filter, request, queries).await
    }

    /// A tenant's deliveries that are retried, parked or failed, whichever endpoint they are for.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list_open(
        &self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
        request: PageRequest,
    ) -> Result<Paged<Delivery>, TableError> {
        let bounds = Bounds::new(filter);
        let queries = |below: Option<&str>| {
            let high = bounds.high_below(below)?;
            // Many deliveries of one event can be open, so the range ends at the last one's whole id.
            let high = below.map_or_else(|| format!("dlv_{high}~"), str::to_owned);
            let pk = open_partition(tenant);
            let keys = Expression::new("#open = :pk AND open_at BETWEEN :low AND :high")
                .name("#open", "open")
                .text_value(":pk", pk.clone())
                .text_value(":low", format!("dlv_{}", bounds.low))
                .text_value(":high", high);
            Some(vec![Query { index: Some(IndexName::Open), keys, ..Query::partition(TABLE, pk) }])
        };
        self.walk(tenant, filter, request, queries).await
    }

    /// Walks down from the newest until a page is full or a bounded number of portions was looked at.
    async fn walk(
        &self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
        request: PageRequest,
        queries: impl Fn(Option<&str>) -> Option<Vec<Query>>,
    ) -> Result<Paged<Delivery>, TableError> {
        let mut deliveries = Vec::new();
        let mut below = request.after;
        for _ in 0..ROUNDS {
            let Some(queries) = queries(below.as_deref()) else {
                return Ok(Paged { items: deliveries, next: None });
            };
            // Deliveries of one event to several endpoints share their place in time, and a portion may end
            // between them: rows above the last place are known by the delivery's whole id.
            let merged = merge_descending(&*self.0, queries, request.limit + 1, delivery_place).await?;
            let rows: Vec<_> = merged
                .rows
                .into_iter()
                .filter(|(id, _)| below.as_deref().is_none_or(|b| id.as_str() < b))
                .collect();
            for (id, delivery) in self.load(tenant, rows).await? {
                if deliveries.len() == request.limit {
                    return Ok(Paged { items: deliveries, next: below });
                }
                below = Some(id);
                if filter.admits(&delivery) {
                    deliveries.push(delivery);
                }
            }
            match merged.reached {
                Some(reached) => below = Some(reached),
                None => return Ok(Paged { items: deliveries, next: None }),
            }
        }
        Ok(Paged { items: deliveries, next: below })
    }

    async fn load(
        &self,
        tenant: &TenantId,
        rows: Vec<(String, Item)>,
    ) -> Result<Vec<(String, Delivery)>, TableError> {
        let named = rows.iter().filter(|(_, item)| !item.contains("status"));
        let ids: Result<Vec<DeliveryId>, TableError> =
            named.map(|(_, item)| id_of(text(item, "pk"), text(item, "sk"))).collect();
        let mut loaded = self.get_many(tenant, ids?).await?;
        let mut deliveries = Vec::new();
        for (place, item) in rows {
            if item.contains("status") {
                deliveries.push((place, read_item(tenant, item)?));
            } else if let Some(delivery) = loaded.remove(&id_of(text(&item, "pk"), text(&item, "sk"))?) {
                deliveries.push((place, delivery));
            }
        }
        Ok(deliveries)
    }

    /// Parked deliveries of an endpoint, the oldest first, beginning after `after`: up to `limit` of them, or fewer
    /// when many other deliveries of the tenant lie between them.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn parked(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<ParkedPage, TableError> {
        let wanted = partition(tenant, endpoint);
        let keys = Expression::new("#open = :pk AND open_at > :after")
            .name("#open", "open")
            .text_value(":pk", open_partition(tenant))
            .text_value(":after", after.map_or_else(|| "dlv_".to_owned(), |id| id.to_string()));
        let mut query = Query { index: Some(IndexName::Open), keys, ..Query::partition(TABLE, "") };
        let mut deliveries = Vec::new();
        let mut reached = None;
        for _ in 0..ROUNDS {
            let page = self.0.query(query.clone()).await?;
            let id = |item: &Item| id_of(text(item, "pk"), text(item, "sk"));
            let own = page.items.iter().filter(|item| text(item, "pk") == wanted).map(id);
            let own: Vec<_> = own.collect::<Result<_, _>>()?;
            for portion in own.chunks(limit.clamp(1, 100)) {
                let found = self.get_many(tenant, portion.iter().copied()).await?.into_values();
                let mut found: Vec<_> = found.filter(|d| d.status == DeliveryStatus::Parked).collect();
                found.sort_by_key(|delivery| delivery.id);
                deliveries.extend(found);
                if deliveries.len() >= limit {
                    deliveries.truncate(limit);
                    let next = deliveries.last().map(|delivery| delivery.id);
                    return Ok(ParkedPage { deliveries, next });
                }
            }
            reached = page.items.last().map(id).transpose()?.or(reached);
            query.start = page.next;
            if query.start.is_none() {
                return Ok(ParkedPage { deliveries, next: None });
            }
        }
        Ok(ParkedPage { deliveries, next: reached })
    }
}

/// Some of an endpoint's parked deliveries.
#[derive(Debug)]
pub struct ParkedPage {
    /// The deliveries, the oldest first.
    pub deliveries: Vec<Delivery>,
    /// After which delivery to look for more; `None` when there are none.
    pub next: Option<DeliveryId>,
}

/// A row's whole delivery id: its place among the deliveries of several endpoints.
fn delivery_place(item: &Item) -> String {
    id_of(text(item, "pk"), text(item, "sk")).map(|id| id.to_string()).unwrap_or_default()
}

/// The range of sort keys that a filter's bounds of time allow.
struct Bounds {
    low: String,
    high: String,
}

impl Bounds {
    fn new(filter: &DeliveryFilter) -> Self {
        let first = |at: Timestamp| Ulid::from_parts(at.as_millis(), 0).to_string();
        Self {
            low: first(filter.since.unwrap_or_default()),
            high: filter.until.map_or_else(|| "~".to_owned(), first),
        }
    }

    /// The upper end of the range under a delivery, the event of which is still included; `None` when
    /// nothing is left.
    fn high_below(&self, below: Option<&str>) -> Option<String> {
        let event = below.and_then(|id| id.get(4..30)).unwrap_or("~");
        let high = self.high.as_str().min(event);
        (high >= self.low.as_str()).then(|| high.to_owned())
    }
}
