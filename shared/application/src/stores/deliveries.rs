//! Deliveries in the ledger. Every write states what it knows of the item, so that two workers with the same
//! message cannot both be right.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use postrider_domain::{Delivery, DeliveryId, TenantId};

use super::Buckets;
use super::delivery_item::{DeliveryItem, TABLE, key};
use super::item::{decode, encode};
use crate::ports::table::{Expression, Item, Put, Table, TableError};

/// What creating a delivery came to.
#[derive(Debug)]
pub enum Created {
    /// It is new.
    New,
    /// It was there.
    Existing(Box<Delivery>),
}

/// What saving a delivery came to.
#[derive(Debug)]
pub enum Saved {
    /// It is saved.
    Yes,
    /// Somebody changed it in between: this is how it stands, if it still is there.
    Changed(Option<Box<Delivery>>),
}

/// The deliveries.
#[derive(Clone)]
pub struct Deliveries(pub(super) Arc<dyn Table>);

impl Deliveries {
    /// The deliveries in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// The table, for what is kept beside the deliveries.
    pub(crate) fn table(&self) -> Arc<dyn Table> {
        Arc::clone(&self.0)
    }

    /// The buckets of rate limits, which are in the same table.
    pub fn buckets(&self) -> Buckets {
        Buckets::new(Arc::clone(&self.0))
    }

    /// Adds a delivery unless it is there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, delivery: &Delivery) -> Result<Created, TableError> {
        let item = encode(TABLE, &DeliveryItem::write(delivery)?)?;
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        match self.0.put(Put { table: TABLE, item, condition }).await {
            Ok(()) => Ok(Created::New),
            Err(TableError::ConditionFailed { current: Some(current) }) => {
                Ok(Created::Existing(Box::new(read_item(&delivery.tenant, *current)?)))
            }
            Err(error) => Err(error),
        }
    }

    /// Saves a delivery that was read, or created, at version `delivery.version`; in the table, the version
    /// is one higher afterwards.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, delivery: &Delivery) -> Result<Saved, TableError> {
        let mut form = DeliveryItem::write(delivery)?;
        form.version += 1;
        let item = encode(TABLE, &form)?;
        let condition = Expression::new("version = :version").number_value(":version", delivery.version);
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(Saved::Yes),
            Err(TableError::ConditionFailed { current }) => {
                let current = current.map(|item| read_item(&delivery.tenant, *item)).transpose()?;
                Ok(Saved::Changed(current.map(Box::new)))
            }
            Err(error) => Err(error),
        }
    }

    /// A tenant's delivery.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, TableError> {
        let item = self.0.get(TABLE, key(tenant, id), true).await?;
        item.map(|item| read_item(tenant, item)).transpose()
    }

    /// Those of these deliveries that exist.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get_many(
        &self,
        tenant: &TenantId,
        ids: impl IntoIterator<Item = DeliveryId>,
    ) -> Result<HashMap<DeliveryId, Delivery>, TableError> {
        // A key may be asked for once only.
        let ids: HashSet<DeliveryId> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let items = self.0.batch_get(TABLE, ids.into_iter().map(|id| key(tenant, id)).collect()).await?;
        let deliveries = items.into_iter().map(|item| {
            let delivery = read_item(tenant, item)?;
            Ok((delivery.id, delivery))
        });
        deliveries.collect()
    }
}

pub(super) fn read_item(tenant: &TenantId, item: Item) -> Result<Delivery, TableError> {
    decode::<DeliveryItem>(TABLE, item)?.read(tenant)
}
