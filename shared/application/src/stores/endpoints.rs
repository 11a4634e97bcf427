//! Endpoints, and their subscriptions by pattern, so that fan-out looks up rather than searches.

use std::collections::HashSet;
use std::sync::Arc;

use postrider_domain::{ChannelKind, EndpointId, Filter, Pattern, TenantId};
use serde::{Deserialize, Serialize};

use super::endpoint_item::{EndpointItem, EndpointRecord, read_filter, seal_mark, sealed_text};
use super::item::{decode, encode, invalid, text};
use super::{PageRequest, Paged};
use crate::ports::table::{
    Delete, Expression, Item, Key, Put, Query, Table, TableError, TableName, Update, Value, Write,
};

const TABLE: TableName = TableName::Config;

/// In the place of a pattern: the endpoints that are marked as defaults.
const DEFAULTS: &str = "!default";

/// The partition of a tenant's endpoints.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

fn subscription_partition(tenant: &TenantId, pattern: &str) -> String {
    format!("T#{tenant}#S#{pattern}")
}

/// What fan-out knows of an endpoint that subscribed.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its channel.
    pub channel: ChannelKind,
    /// Its version when the subscription was written.
    pub endpoint_version: u64,
    /// How many attempts its policy allows.
    pub max_attempts: u32,
    /// Whether its deliveries go one after the other.
    pub in_order: bool,
    /// What the event's data must be like.
    pub filter: Option<Filter>,
}

#[derive(Serialize, Deserialize)]
struct SubscriptionItem {
    pk: String,
    sk: String,
    channel: String,
    endpoint_version: u64,
    max_attempts: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_order: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

impl SubscriptionItem {
    fn read(self) -> Result<Subscriber, TableError> {
        let endpoint = self.sk.split('#').next().unwrap_or_default();
        Ok(Subscriber {
            endpoint: endpoint.parse().map_err(|error| invalid(TABLE, error))?,
            channel: self.channel.parse().map_err(|error| invalid(TABLE, error))?,
            endpoint_version: self.endpoint_version,
            max_attempts: self.max_attempts,
            in_order: self.in_order,
            filter: self.filter.as_deref().map(read_filter).transpose()?,
        })
    }
}

/// The items that stand for an endpoint's subscriptions.
fn subscription_items(record: &EndpointRecord) -> Vec<SubscriptionItem> {
    let endpoint = &record.endpoint;
    let item = |pattern: &str, index: usize, filter: Option<String>| SubscriptionItem {
        pk: subscription_partition(&endpoint.tenant, pattern),
        sk: format!("{}#{index}", endpoint.id),
        channel: endpoint.channel.to_string(),
        endpoint_version: endpoint.version,
        max_attempts: endpoint.retry.max_attempts,
        in_order: endpoint.in_order.is_some(),
        filter,
    };
    let mut items: Vec<_> = endpoint
        .subscriptions
        .iter()
        .enumerate()
        .map(|(index, s)| {
            item(s.pattern.as_str(), index, s.filter.as_ref().map(|filter| filter.as_str().to_owned()))
        })
        .collect();
    if endpoint.is_default {
        items.push(item(DEFAULTS, 0, None));
    }
    items
}

/// What tells one state of a tenant's endpoints from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edition {
    /// How often they were changed.
    pub version: u64,
    /// How many of them are ordered.
    pub in_order: u64,
}

/// The endpoints.
#[derive(Clone)]
pub struct Endpoints(Arc<dyn Table>);

impl Endpoints {
    /// The endpoints in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// The table, for what is kept beside the endpoints.
    pub(crate) fn table(&self) -> Arc<dyn Table> {
        Arc::clone(&self.0)
    }

    /// A tenant's endpoint.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, id: EndpointId) -> Result<Option<EndpointRecord>, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant), id.to_string()), true).await?;
        item.map(|item| decode::<EndpointItem>(TABLE, item)?.read(tenant)).transpose()
    }

    /// A tenant's endpoints by age.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        request: PageRequest,
    ) -> Result<Paged<EndpointRecord>, TableError> {
        let pk = partition(tenant);
        let page = self
            .0
            .query(Query {
                keys: Expression::new("pk = :pk AND begins_with(sk, :ep)")
                    .text_value(":pk", pk.clone())
                    .text_value(":ep", "ep_"),
                limit: Some(request.limit as u32),
                start: request.after.map(|id| Key::new(pk.clone(), id).into_item()),
                ..Query::partition(TABLE, pk.clone())
            })
            .await?;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        let read = |item: Item| decode::<EndpointItem>(TABLE, item)?.read(tenant);
        let items: Result<_, _> = page.items.into_iter().map(read).collect();
        Ok(Paged { items: items?, next })
    }

    /// All of a tenant's endpoints.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<EndpointRecord>, TableError> {
        let mut records = Vec::new();
        let mut after = None;
        loop {
            let page = self.list(tenant, PageRequest { limit: 500, after }).await?;
            records.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(records),
            }
        }
    }

    /// Adds an endpoint with its subscriptions.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, record: &EndpointRecord) -> Result<(), TableError> {
        self.write(record, None).await
    }

    /// Replaces what was read as `before`; the new record's version is one higher.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when somebody changed it in between.
    pub async fn replace(&self, before: &EndpointRecord, after: &EndpointRecord) -> Result<(), TableError> {
        self.write(after, Some(before)).await
    }

    async fn write(&self, after: &EndpointRecord, before: Option<&EndpointRecord>) -> Result<(), TableError> {
        let condition = match before {
            None => Expression::new("attribute_not_exists(pk)"),
            Some(before) => unchanged(before),
        };
        let item = encode(TABLE, &EndpointItem::write(after))?;
        let mut writes = vec![Write::Put(Put { table: TABLE, item, condition: Some(condition) })];
        let items = subscription_items(after);
        let kept: HashSet<(&str, &str)> = items.iter().map(|item| (&*item.pk, &*item.sk)).collect();
        let gone = before.map(subscription_items).unwrap_or_default();
        let gone = gone.into_iter().filter(|item| !kept.contains(&(&*item.pk, &*item.sk)));
        writes.extend(gone.map(delete_subscription));
        for item in &items {
            writes.push(Write::Put(Put { table: TABLE, item: encode(TABLE, item)?, condition: None }));
        }
        let ordered = |record: &EndpointRecord| i64::from(record.endpoint.in_order.is_some());
        let more_ordered = ordered(after) - before.map_or(0, ordered);
        writes.push(count_change(&after.endpoint.tenant, more_ordered));
        self.0.transact(writes).await
    }

    /// Puts another seal around what was read as `record`. The endpoint's version stays: nothing in it changed.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when somebody changed it in between.
    pub async fn reseal(&self, record: &EndpointRecord, sealed: &[u8]) -> Result<(), TableError> {
        let endpoint = &record.endpoint;
        let condition = unchanged(record);
        let mut update = Expression::new("SET sealed = :sealed").text_value(":sealed", sealed_text(sealed));
        update.values.extend(condition.values.into_attributes());
        let key = Key::new(partition(&endpoint.tenant), endpoint.id.to_string());
        let condition = Some(condition.text);
        self.0.transact(vec![Write::Update(Update { table: TABLE, key, update, condition })]).await
    }

    /// Removes an endpoint and its subscriptions.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when somebody changed it in between.
    pub async fn delete(&self, record: &EndpointRecord) -> Result<(), TableError> {
        let endpoint = &record.endpoint;
        let key = Key::new(partition(&endpoint.tenant), endpoint.id.to_string());
        let mut writes =
            vec![Write::Delete(Delete { table: TABLE, key, condition: Some(unchanged(record)) })];
        writes.extend(subscription_items(record).into_iter().map(delete_subscription));
        writes.push(count_change(&endpoint.tenant, -i64::from(endpoint.in_order.is_some())));
        self.0.transact(writes).await
    }

    /// How often the tenant's endpoints were changed. Whoever keeps subscriptions in memory asks for this
    /// first: one small consistent read for a whole batch.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn version(&self, tenant: &TenantId) -> Result<u64, TableError> {
        Ok(self.edition(tenant).await?.version)
    }

    /// The same, and how many of the endpoints are ordered.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn edition(&self, tenant: &TenantId) -> Result<Edition, TableError> {
        let item = self.0.get(TABLE, version_key(tenant), true).await?.unwrap_or_default();
        let number = |name: &str| match item.get(name) {
            None => Ok(0),
            Some(Value::N(number)) => number.parse().map_err(|error| invalid(TABLE, error)),
            Some(_) => Err(invalid(TABLE, "the tenant's version is not a number")),
        };
        Ok(Edition { version: number("version")?, in_order: number("in_order")? })
    }

    /// Everyone who subscribed to a pattern, or is a default endpoint when `pattern` is `None`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn subscribers(
        &self,
        tenant: &TenantId,
        pattern: Option<&Pattern>,
    ) -> Result<Vec<Subscriber>, TableError> {
        let pk = subscription_partition(tenant, pattern.map_or(DEFAULTS, Pattern::as_str));
        let mut subscribers = Vec::new();
        let mut start = None;
        loop {
            let query = Query { start, consistent: true, ..Query::partition(TABLE, pk.clone()) };
            let page = self.0.query(query).await?;
            for item in page.items {
                subscribers.push(decode::<SubscriptionItem>(TABLE, item)?.read()?);
            }
            match page.next {
                Some(next) => start = Some(next),
                None => return Ok(subscribers),
            }
        }
    }
}

/// Nobody has changed it, or sealed it again, which is no change that anybody sees.
fn unchanged(record: &EndpointRecord) -> Expression {
    Expression::new("version = :version AND begins_with(sealed, :seal)")
        .number_value(":version", record.endpoint.version)
        .text_value(":seal", seal_mark(&record.sealed))
}

fn delete_subscription(item: SubscriptionItem) -> Write {
    Write::Delete(Delete { table: TABLE, key: Key::new(item.pk, item.sk), condition: None })
}

fn version_key(tenant: &TenantId) -> Key {
    Key::new(partition(tenant), "VERSION")
}

fn count_change(tenant: &TenantId, more_in_order: i64) -> Write {
    let update = if more_in_order == 0 {
        Expression::new("ADD version :one")
    } else {
        Expression::new("ADD version :one, in_order :more").signed_value(":more", more_in_order)
    };
    let update = update.number_value(":one", 1);
    Write::Update(Update { table: TABLE, key: version_key(tenant), update, condition: None })
}
