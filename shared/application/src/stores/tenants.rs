//! Tenants.

use std::sync::Arc;

use postrider_domain::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode};
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, Key, Put, Query, Table, TableError, TableName};

const TABLE: TableName = TableName::Config;
const PARTITION: &str = "TENANTS";

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Chosen by the operator.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct TenantItem {
    pk: String,
    sk: String,
    name: String,
    created_at: u64,
}

impl TenantItem {
    fn read(self) -> Result<Tenant, TableError> {
        let id = self.sk.parse().map_err(|error| super::item::invalid(TABLE, error))?;
        Ok(Tenant { id, name: self.name, created_at: Timestamp::from_millis(self.created_at) })
    }
}

/// The tenants.
#[derive(Clone)]
pub struct Tenants(Arc<dyn Table>);

impl Tenants {
    /// The tenants in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Adds a tenant.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when there is one with this id.
    pub async fn create(&self, tenant: &Tenant) -> Result<(), TableError> {
        let item = TenantItem {
            pk: PARTITION.to_owned(),
            sk: tenant.id.to_string(),
            name: tenant.name.clone(),
            created_at: tenant.created_at.as_millis(),
        };
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        self.0.put(Put { table: TABLE, item: encode(TABLE, &item)?, condition }).await
    }

    /// The tenant with an id.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TableError> {
        let item = self.0.get(TABLE, Key::new(PARTITION, id.as_str()), true).await?;
        item.map(|item| decode::<TenantItem>(TABLE, item)?.read()).transpose()
    }

    /// The tenants by id.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self, request: PageRequest) -> Result<Paged<Tenant>, TableError> {
        let page = self
            .0
            .query(Query {
                limit: Some(request.limit as u32),
                start: request.after.map(|id| Key::new(PARTITION, id).into_item()),
                ..Query::partition(TABLE, PARTITION)
            })
            .await?;
        let next = page.next.as_ref().map(|key| super::item::text(key, "sk").to_owned());
        let items: Result<_, _> =
            page.items.into_iter().map(|item| decode::<TenantItem>(TABLE, item)?.read()).collect();
        Ok(Paged { items: items?, next })
    }
}
