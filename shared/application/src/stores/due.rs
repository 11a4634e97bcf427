//! What has to be looked at at its time: deliveries that wait for longer than a queue can hold a message, by the
//! time at which their message is due, and circuits.
//!
//! In the index `due` they are spread over a few partitions, because one takes 1,000 writes a second.

use postrider_domain::{Delivery, EndpointId, TenantId, Timestamp};

use super::circuits::{self, EndpointCircuit};
use super::deliveries::{Deliveries, read_item};
use super::delivery_item::TABLE;
use super::item::{invalid, text};
use crate::ports::table::{Expression, IndexName, Item, Key, Query, TableError};

/// How many partitions the index has.
const SHARDS: u64 = 8;

/// One of the partitions of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueShard(u64);

impl DueShard {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The one of something with this id in it: ids are random enough for the sum of their characters to be spread.
    pub(super) fn of(name: &str) -> Self {
        Self(name.bytes().map(u64::from).sum::<u64>() % SHARDS)
    }

    /// The value of the index's hash key.
    pub(super) fn partition(self) -> String {
        format!("DUE#{}", self.0)
    }
}

/// The value of the index's range key: sorts as the moments do.
pub(super) fn place(at: Timestamp) -> String {
    format!("{:015}", at.as_millis())
}

/// The moment that [`place`] has written.
pub(super) fn moment(place: &str) -> Result<Timestamp, TableError> {
    place.parse().map(Timestamp::from_millis).map_err(|error| invalid(TABLE, error))
}

/// Some of what is due.
#[derive(Debug)]
pub struct DuePage {
    /// Deliveries, the one that is due first before the others.
    pub deliveries: Vec<Delivery>,
    /// Circuits that somebody has to look at.
    pub circuits: Vec<EndpointCircuit>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

impl Deliveries {
    /// What is due until a moment in a partition, a page of it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn due(
        &self,
        shard: DueShard,
        until: Timestamp,
        limit: u32,
        start: Option<Item>,
    ) -> Result<DuePage, TableError> {
        let keys = Expression::new("#due = :pk AND due_at <= :until")
            .name("#due", IndexName::Due.key_attributes().0)
            .text_value(":pk", shard.partition())
            .text_value(":until", place(until));
        let query = Query {
            index: Some(IndexName::Due),
            keys,
            limit: Some(limit),
            start,
            ..Query::partition(TABLE, "")
        };
        let page = self.0.query(query).await?;
        let keys: Vec<Key> = page.items.iter().map(key_of).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.0.batch_get(TABLE, keys).await? };
        let (mut deliveries, mut circuits) = (Vec::new(), Vec::new());
        for item in found {
            let tenant = tenant_of(&item)?;
            if text(&item, "sk") == circuits::SORT_KEY {
                circuits.push(circuits::read_due(tenant, endpoint_of(&item)?, item)?);
            } else {
                deliveries.push(read_item(&tenant, item)?);
            }
        }
        // The index follows the table with some delay.
        deliveries.retain(|delivery| delivery.due_at.is_some_and(|at| at <= until));
        deliveries.sort_by_key(|delivery| delivery.due_at);
        circuits.retain(|due| due.circuit.check_at.is_some_and(|at| at <= until));
        Ok(DuePage { deliveries, circuits, next: page.next })
    }
}

fn key_of(item: &Item) -> Key {
    Key::new(text(item, "pk"), text(item, "sk"))
}

/// The endpoint in a circuit's key, `T#<tenant>#C#<endpoint>`.
fn endpoint_of(item: &Item) -> Result<EndpointId, TableError> {
    let endpoint = text(item, "pk").rsplit('#').next().unwrap_or_default();
    endpoint.parse().map_err(|error| invalid(TABLE, error))
}

/// The tenant in a delivery's or a circuit's key, `T#<tenant>#D#<endpoint>`.
fn tenant_of(item: &Item) -> Result<TenantId, TableError> {
    let tenant = text(item, "pk").split('#').nth(1).unwrap_or_default();
    tenant.parse().map_err(|error| invalid(TABLE, error))
}
