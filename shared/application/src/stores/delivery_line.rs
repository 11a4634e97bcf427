//! The deliveries of one endpoint, in the order in which their events were accepted.

use postrider_domain::id::Ulid;
use postrider_domain::{Delivery, EndpointId, TenantId};

use super::deliveries::{Deliveries, read_item};
use super::delivery_item::{TABLE, partition, place_of};
use super::item::text;
use crate::ports::table::{Expression, Query, TableError};

/// How many deliveries are looked at at a time.
const PORTION: u32 = 25;

/// Deliveries of an endpoint.
#[derive(Debug)]
pub struct LinePage {
    /// The oldest event's first.
    pub deliveries: Vec<Delivery>,
    /// After which place to go on; `None` when there are no more.
    pub next: Option<Ulid>,
}

impl Deliveries {
    /// A portion of an endpoint's deliveries after a place that wait or are parked. It sees every write that was
    /// acknowledged before.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn waiting_after(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        after: Ulid,
    ) -> Result<LinePage, TableError> {
        let mut page = self.in_line_after(tenant, endpoint, after).await?;
        page.deliveries.retain(|delivery| delivery.status.awaits_attempt());
        Ok(page)
    }

    /// The same, whatever became of them.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn in_line_after(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        after: Ulid,
    ) -> Result<LinePage, TableError> {
        let pk = partition(tenant, endpoint);
        let keys = Expression::new("pk = :pk AND sk > :after")
            .text_value(":pk", pk.clone())
            .text_value(":after", after.to_string());
        let query = Query { keys, limit: Some(PORTION), consistent: true, ..Query::partition(TABLE, pk) };
        let page = self.0.query(query).await?;
        let next = page.next.map(|key| place_of(text(&key, "sk"))).transpose()?;
        let deliveries = page.items.into_iter().map(|item| read_item(tenant, item));
        let deliveries: Result<_, TableError> = deliveries.collect();
        Ok(LinePage { deliveries: deliveries?, next })
    }
}
