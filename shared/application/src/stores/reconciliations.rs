//! What became of the events of each tenant and hour, and which hours are to be looked at. Every change states the
//! version that it knows, so that of two who look at an hour at the same time one puts down what it found.

use std::sync::Arc;

use postrider_domain::reconciliation::ReconciliationState;
use postrider_domain::{Hour, Reconciliation, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::due;
use super::item::{decode, encode, invalid, text};
use super::reconciliation_item::{DUE_PARTITION, ReconciliationItem, TABLE, partition};
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, IndexName, Item, Key, Put, Query, Table, TableError};

/// How often a list asks on for hours that the filter may let through, before it answers what it has.
const ROUNDS: usize = 10;

/// Which hours are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct HourFilter {
    /// This one and later ones.
    pub from: Option<Hour>,
    /// Those before this one.
    pub before: Option<Hour>,
    /// Those that stand like this.
    pub state: Option<ReconciliationState>,
}

/// How far hours were put down to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The hour that is next.
    pub hour: Hour,
    /// The last tenant that is done with it.
    pub after: Option<TenantId>,
    /// Counts changes, from 1.
    pub version: u64,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is made.
    Yes,
    /// Somebody else was faster.
    Not,
}

#[derive(Serialize, Deserialize)]
struct CursorItem {
    pk: String,
    sk: String,
    hour: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    version: u64,
}

fn cursor_key() -> Key {
    Key::new("RECONCILE", "CURSOR")
}

/// The hours.
#[derive(Clone)]
pub struct Reconciliations(Arc<dyn Table>);

impl Reconciliations {
    /// The hours in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// How far hours were put down; `None` before the first time.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn cursor(&self) -> Result<Option<Cursor>, TableError> {
        let Some(item) = self.0.get(TABLE, cursor_key(), true).await? else { return Ok(None) };
        let CursorItem { hour, after, version, .. } = decode(TABLE, item)?;
        let after = after.map(|tenant| tenant.parse().map_err(|error| invalid(TABLE, error)));
        let hour = hour.parse().map_err(|error| invalid(TABLE, error))?;
        Ok(Some(Cursor { hour, after: after.transpose()?, version }))
    }

    /// Moves on from a cursor of the version before; to the first one, of version 1, from none.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn advance(&self, cursor: &Cursor) -> Result<Changed, TableError> {
        let Key { pk, sk } = cursor_key();
        let item = CursorItem {
            pk,
            sk,
            hour: cursor.hour.to_string(),
            after: cursor.after.as_ref().map(TenantId::to_string),
            version: cursor.version,
        };
        self.put(encode(TABLE, &item)?, cursor.version).await
    }

    /// Puts down an hour to be looked at, unless it is already.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn open(&self, hour: &Reconciliation) -> Result<Changed, TableError> {
        self.put(encode(TABLE, &ReconciliationItem::write(hour)?)?, hour.version).await
    }

    /// Saves an hour that was read, or put down, at version `hour.version`, which is one higher afterwards.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, hour: &mut Reconciliation) -> Result<Changed, TableError> {
        let next = Reconciliation { version: hour.version + 1, ..hour.clone() };
        let saved = self.put(encode(TABLE, &ReconciliationItem::write(&next)?)?, next.version).await?;
        hour.version = next.version;
        Ok(saved)
    }

    /// Puts an item of a version over the one before, or over none.
    async fn put(&self, item: Item, version: u64) -> Result<Changed, TableError> {
        let condition = match version {
            0 | 1 => Expression::new("attribute_not_exists(pk)"),
            version => Expression::new("version = :version").number_value(":version", version - 1),
        };
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(Changed::Yes),
            Err(TableError::ConditionFailed { .. }) => Ok(Changed::Not),
            Err(error) => Err(error),
        }
    }

    /// The hours that are to be looked at by now, those that are due first before the others; `limit` at most.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Reconciliation>, TableError> {
        let keys = Expression::new("#due = :pk AND due_at <= :now")
            .name("#due", IndexName::Due.key_attributes().0)
            .text_value(":pk", DUE_PARTITION)
            .text_value(":now", due::place(now));
        let query =
            Query { index: Some(IndexName::Due), keys, limit: Some(limit), ..Query::partition(TABLE, "") };
        let page = self.0.query(query).await?;
        let keys: Vec<Key> =
            page.items.iter().map(|item| Key::new(text(item, "pk"), text(item, "sk"))).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.0.batch_get(TABLE, keys).await? };
        let mut hours = found.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        // The index follows the table with some delay.
        hours.retain(|hour| hour.due_at.is_some_and(|at| at <= now));
        hours.sort_by_key(|hour| hour.due_at);
        Ok(hours)
    }

    /// A tenant's hours, the latest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &HourFilter,
        request: PageRequest,
    ) -> Result<Paged<Reconciliation>, TableError> {
        let mut hours = Vec::new();
        let last = request.after.as_deref().and_then(|last| last.parse::<Hour>().ok());
        let mut before = last.into_iter().chain(filter.before).min();
        for _ in 0..ROUNDS {
            let Some(query) = between(tenant, filter.from, before, request.limit + 1) else {
                return Ok(Paged { items: hours, next: None });
            };
            let page = self.0.query(query).await?;
            for item in page.items {
                if hours.len() == request.limit {
                    return Ok(Paged { items: hours, next: before.map(|hour| hour.to_string()) });
                }
                let hour = read(item)?;
                before = Some(hour.hour);
                if filter.state.is_none_or(|state| hour.state == state) {
                    hours.push(hour);
                }
            }
            if page.next.is_none() {
                return Ok(Paged { items: hours, next: None });
            }
        }
        Ok(Paged { items: hours, next: before.map(|hour| hour.to_string()) })
    }
}

/// The query for a tenant's hours from one on and before another, the latest first; `None` when there can be none.
fn between(tenant: &TenantId, from: Option<Hour>, before: Option<Hour>, limit: usize) -> Option<Query> {
    let pk = partition(tenant);
    let low = from.map_or_else(|| "0".to_owned(), |hour| hour.to_string());
    let high = match before {
        Some(before) => before.previous()?.to_string(),
        None => "~".to_owned(),
    };
    if low > high {
        return None;
    }
    let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high")
        .text_value(":pk", pk.clone())
        .text_value(":low", low)
        .text_value(":high", high);
    let limit = Some(u32::try_from(limit).unwrap_or(u32::MAX));
    Some(Query { keys, ascending: false, limit, ..Query::partition(TABLE, pk) })
}

fn read(item: Item) -> Result<Reconciliation, TableError> {
    decode::<ReconciliationItem>(TABLE, item)?.read()
}
