//! API keys: stored as hashes, found by their public part.

use std::sync::Arc;

use ipnet::IpNet;
use postrider_domain::{KeyId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode, invalid, text};
use super::{PageRequest, Paged};
use crate::access::Role;
use crate::ports::table::{Delete, Expression, Key, Put, Query, Table, TableError, TableName, Write};

const TABLE: TableName = TableName::Config;

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public part.
    pub id: KeyId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret part, in hexadecimal.
    pub hash: String,
    /// When it ends to be valid.
    pub expires_at: Option<Timestamp>,
    /// Where it may be used from; anywhere when empty.
    pub allowed_cidrs: Vec<IpNet>,
    /// When it was created.
    pub created_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct KeyItem {
    pk: String,
    sk: String,
    id: String,
    tenant: String,
    name: String,
    role: String,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed_cidrs: Vec<String>,
    created_at: u64,
}

impl KeyItem {
    fn read(self) -> Result<ApiKey, TableError> {
        let cidrs: Result<_, _> = self.allowed_cidrs.iter().map(|cidr| cidr.parse()).collect();
        Ok(ApiKey {
            id: self.id.parse().map_err(|error| invalid(TABLE, error))?,
            tenant: self.tenant.parse().map_err(|error| invalid(TABLE, error))?,
            name: self.name,
            role: self.role.parse().map_err(|error| invalid(TABLE, error))?,
            hash: self.hash,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            allowed_cidrs: cidrs.map_err(|error| invalid(TABLE, error))?,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

fn lookup_key(id: KeyId) -> Key {
    Key::new(format!("KEY#{id}"), "KEY")
}

fn list_partition(tenant: &TenantId) -> String {
    format!("T#{tenant}#K")
}

/// The API keys.
#[derive(Clone)]
pub struct ApiKeys(Arc<dyn Table>);

impl ApiKeys {
    /// The keys in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, key: &ApiKey) -> Result<(), TableError> {
        let lookup = lookup_key(key.id);
        let item = KeyItem {
            pk: lookup.pk,
            sk: lookup.sk,
            id: key.id.to_string(),
            tenant: key.tenant.to_string(),
            name: key.name.clone(),
            role: key.role.as_str().to_owned(),
            hash: key.hash.clone(),
            expires_at: key.expires_at.map(Timestamp::as_millis),
            allowed_cidrs: key.allowed_cidrs.iter().map(ToString::to_string).collect(),
            created_at: key.created_at.as_millis(),
        };
        let listed = KeyItem { pk: list_partition(&key.tenant), sk: key.id.to_string(), ..item.clone() };
        let put = |item: &KeyItem| -> Result<Write, TableError> {
            let condition = Some(Expression::new("attribute_not_exists(pk)"));
            Ok(Write::Put(Put { table: TABLE, item: encode(TABLE, item)?, condition }))
        };
        self.0.transact(vec![put(&item)?, put(&listed)?]).await
    }

    /// The key with a public part.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, id: KeyId) -> Result<Option<ApiKey>, TableError> {
        let item = self.0.get(TABLE, lookup_key(id), true).await?;
        item.map(|item| decode::<KeyItem>(TABLE, item)?.read()).transpose()
    }

    /// Removes a tenant's key. Answers whether there was one.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<bool, TableError> {
        let delete = |key: Key| {
            let condition = Some(Expression::new("attribute_exists(pk)"));
            Write::Delete(Delete { table: TABLE, key, condition })
        };
        let listed = Key::new(list_partition(tenant), id.to_string());
        match self.0.transact(vec![delete(lookup_key(id)), delete(listed)]).await {
            Ok(()) => Ok(true),
            Err(TableError::ConditionFailed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A tenant's keys by age.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self, tenant: &TenantId, request: PageRequest) -> Result<Paged<ApiKey>, TableError> {
        let partition = list_partition(tenant);
        let start = request.after.map(|id| Key::new(partition.clone(), id).into_item());
        let query = Query { limit: Some(request.limit as u32), start, ..Query::partition(TABLE, partition) };
        let page = self.0.query(query).await?;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        let items: Result<_, _> =
            page.items.into_iter().map(|item| decode::<KeyItem>(TABLE, item)?.read()).collect();
        Ok(Paged { items: items?, next })
    }
}
