//! The Table port, counted.

use std::sync::Arc;

use async_trait::async_trait;
use postrider_application::ports::table::{
    IndexName, Item, Key, Page, Put, Query, Table, TableError, TableName, Write,
};

use super::Meter;
use super::sizes::{index_units, item_size, read_half_units, write_units};

/// The most keys in one `BatchGetItem`.
const BATCH_GET: usize = 100;

/// A table whose requests and units are counted. To know what a write changes it reads the item before, which
/// is not counted.
pub struct MeteredTable {
    inner: Arc<dyn Table>,
    meter: Arc<Meter>,
}

impl MeteredTable {
    /// This table, counted by this meter.
    pub fn new(inner: Arc<dyn Table>, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }

    async fn current(&self, table: TableName, key: Key) -> Result<Option<Item>, TableError> {
        self.inner.get(table, key, true).await
    }

    /// The size of everything a query reads: what its filter leaves out costs as well.
    async fn looked_at(&self, query: &Query, page: &Page) -> Result<usize, TableError> {
        if query.filter.is_none() {
            return Ok(page.items.iter().map(item_size).sum());
        }
        let unfiltered = self.inner.query(Query { filter: None, ..query.clone() }).await?;
        Ok(unfiltered.items.iter().map(item_size).sum())
    }
}

#[async_trait]
impl Table for MeteredTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        let item = self.inner.get(table, key, consistent).await?;
        let size = item.as_ref().map_or(0, item_size);
        self.meter.count_table(|bill| {
            bill.gets += 1;
            bill.read_half_units += read_half_units(size, consistent);
        });
        Ok(item)
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let asked = keys.len();
        let items = self.inner.batch_get(table, keys).await?;
        // The port does not promise that these reads are consistent, and a key without an item costs like a small
        // one.
        let found: u64 = items.iter().map(|item| read_half_units(item_size(item), false)).sum();
        self.meter.count_table(|bill| {
            bill.batch_gets += asked.div_ceil(BATCH_GET) as u64;
            bill.read_half_units += found + asked.saturating_sub(items.len()) as u64;
        });
        Ok(items)
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        let before = match key_of(&put.item) {
            Some(key) => self.current(put.table, key).await?,
            None => None,
        };
        let after = put.item.clone();
        let result = self.inner.put(put).await;
        self.meter.count_table(|bill| {
            let size = item_size(&after);
            bill.puts += 1;
            bill.largest_put = bill.largest_put.max(size);
            match &result {
                Ok(()) => {
                    let index = all_index_units(before.as_ref(), Some(&after));
                    bill.index_write_units += index;
                    bill.write_units += larger(before.as_ref(), Some(&after)) + index;
                }
                Err(TableError::ConditionFailed { .. }) => {
                    bill.failed_conditions += 1;
                    bill.write_units += larger(before.as_ref(), Some(&after));
                }
                Err(_) => {}
            }
        });
        result
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let mut places = Vec::new();
        for write in &writes {
            let (table, key) = match write {
                Write::Put(put) => (put.table, key_of(&put.item)),
                Write::Update(update) => (update.table, Some(update.key.clone())),
                Write::Delete(delete) => (delete.table, Some(delete.key.clone())),
            };
            let Some(key) = key else { continue };
            places.push((table, key.clone(), self.current(table, key).await?));
        }
        let result = self.inner.transact(writes).await;
        let (mut units, mut index_units) = (0, 0);
        for (table, key, before) in places {
            let after = self.current(table, key).await?;
            // Each write of a transaction is made twice, to prepare it and to commit it.
            units += 2 * larger(before.as_ref(), after.as_ref());
            index_units += all_index_units(before.as_ref(), after.as_ref());
        }
        self.meter.count_table(|bill| {
            bill.transactions += 1;
            bill.failed_conditions += u64::from(matches!(result, Err(TableError::ConditionFailed { .. })));
            bill.index_write_units += index_units;
            bill.write_units += units + index_units;
        });
        result
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        let page = self.inner.query(query.clone()).await?;
        let size = self.looked_at(&query, &page).await?;
        let consistent = query.consistent && query.index.is_none();
        self.meter.count_table(|bill| {
            bill.queries += 1;
            bill.read_half_units += read_half_units(size, consistent);
        });
        Ok(page)
    }
}

fn key_of(item: &Item) -> Option<Key> {
    use postrider_application::ports::table::Value::S;
    match (item.get("pk"), item.get("sk")) {
        (Some(S(pk)), Some(S(sk))) => Some(Key::new(pk, sk)),
        _ => None,
    }
}

/// The units of a write: the larger of what is there before and after it counts.
fn larger(before: Option<&Item>, after: Option<&Item>) -> u64 {
    write_units(before.map_or(0, item_size).max(after.map_or(0, item_size)))
}

fn all_index_units(before: Option<&Item>, after: Option<&Item>) -> u64 {
    IndexName::ALL.into_iter().map(|index| index_units(index, before, after)).sum()
}
