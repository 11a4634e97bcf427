//! What has to be looked at at its time: deliveries and events that wait for longer than a queue can hold a message, by
//! the time at which their message is due, and circuits.
//!
//! In the index `due` they are spread over a few partitions, because one takes 1,000 writes a second.

use postrider_domain::{Delivery, EndpointId, TenantId, Timestamp};

use super::circuits::{self, EndpointCircuit};
use super::deliveries::{self, Deliveries};
use super::delivery_item::TABLE;
use super::events::{self, StoredEvent};
use super::item::{invalid, key_of, text};
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
    pub(super) fn of(id: &str) -> Self {
        Self(id.bytes().map(u64::from).sum::<u64>() % SHARDS)
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

/// Something that is due.
#[derive(Debug)]
pub enum Due {
    /// The next attempt's message of a delivery.
    Delivery(Box<Delivery>),
    /// An event that is to be delivered later.
    Event(Box<StoredEvent>),
    /// A circuit that somebody has to look at.
    Circuit(Box<EndpointCircuit>),
}

impl Due {
    /// When.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Delivery(delivery) => delivery.due_at,
            Self::Event(stored) => stored.schedule.and_then(|schedule| schedule.due_at),
            Self::Circuit(due) => due.circuit.check_at,
        }
    }

    /// Tells by its key what an item is; `None` when this version does not know.
    fn read(item: Item) -> Result<Option<Self>, TableError> {
        let mut parts = text(&item, "pk").split('#').skip(1);
        let tenant = parts.next().unwrap_or_default();
        let tenant: TenantId = tenant.parse().map_err(|error| invalid(TABLE, error))?;
        Ok(match parts.next() {
            Some("D") => Some(Self::Delivery(Box::new(deliveries::read_item(&tenant, item)?))),
            Some("E") => Some(Self::Event(Box::new(events::read_item(&tenant, item)?))),
            Some("C") => {
                let endpoint = parts.next().unwrap_or_default();
                let endpoint: EndpointId = endpoint.parse().map_err(|error| invalid(TABLE, error))?;
                Some(Self::Circuit(Box::new(circuits::read_due(tenant, endpoint, item)?)))
            }
            _ => None,
        })
    }
}

/// Some of what is due.
#[derive(Debug)]
pub struct DuePage {
    /// What is due, that which is due first before the rest.
    pub items: Vec<Due>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

impl Deliveries {
    /// What is due in a partition until a moment, a page of it.
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
        let items: Result<Vec<_>, TableError> = found.into_iter().map(Due::read).collect();
        let mut items: Vec<Due> = items?.into_iter().flatten().collect();
        // The index follows the table with some delay.
        items.retain(|due| due.at().is_some_and(|at| at <= until));
        items.sort_by_key(Due::at);
        Ok(DuePage { items, next: page.next })
    }
}
