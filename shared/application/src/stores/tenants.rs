//! Tenants.

use std::sync::Arc;

use postrider_domain::{RateLimit, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::endpoint_item::RateLimitForm;
use super::item::{decode, encode};
use super::{Buckets, PageRequest, Paged};
use crate::ports::table::{Expression, Key, Put, Query, Table, TableError, TableName};

const TABLE: TableName = TableName::Config;
const PARTITION: &str = "TENANTS";

/// An organisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Chosen by the operator.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// How many events it may publish; as many as it likes when there is none.
    pub publish_limit: Option<RateLimit>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts changes, from 0.
    pub version: u64,
}

#[derive(Serialize, Deserialize)]
struct TenantItem {
    pk: String,
    sk: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publish_limit: Option<RateLimitForm>,
    created_at: u64,
    /// Missing in a tenant that was never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

impl TenantItem {
    fn read(self) -> Result<Tenant, TableError> {
        let id = self.sk.parse().map_err(|error| super::item::invalid(TABLE, error))?;
        Ok(Tenant {
            id,
            name: self.name,
            publish_limit: self.publish_limit.map(|form| form.read()),
            created_at: Timestamp::from_millis(self.created_at),
            version: self.version.unwrap_or_default(),
        })
    }

    fn write(tenant: &Tenant) -> Self {
        Self {
            pk: PARTITION.to_owned(),
            sk: tenant.id.to_string(),
            name: tenant.name.clone(),
            publish_limit: tenant.publish_limit.as_ref().map(RateLimitForm::write),
            created_at: tenant.created_at.as_millis(),
            version: Some(tenant.version).filter(|version| *version > 0),
        }
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

    /// The buckets of rate limits, in the other table.
    pub fn buckets(&self) -> Buckets {
        Buckets::new(Arc::clone(&self.0))
    }

    /// Adds a tenant.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when there is one with this id.
    pub async fn create(&self, tenant: &Tenant) -> Result<(), TableError> {
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        let item = encode(TABLE, &TenantItem::write(tenant))?;
        self.0.put(Put { table: TABLE, item, condition }).await
    }

    /// Replaces a tenant that was read at version `tenant.version`; the version is one higher afterwards.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when somebody changed it in between.
    pub async fn replace(&self, tenant: &Tenant) -> Result<Tenant, TableError> {
        let condition = match tenant.version {
            0 => Expression::new("attribute_exists(pk) AND attribute_not_exists(version)"),
            version => Expression::new("version = :version").number_value(":version", version),
        };
        let next = Tenant { version: tenant.version + 1, ..tenant.clone() };
        let item = encode(TABLE, &TenantItem::write(&next))?;
        self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await?;
        Ok(next)
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
