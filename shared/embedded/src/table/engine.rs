//! dynoxide, called directly: everything that the tables can do, one operation at a time.

use std::path::Path;
use std::sync::Arc;

use dynoxide::{Database, DynoxideError, ImportOptions};
use postrider_application::ports::table::{
    AttributeValue, Item, Key, Page, Put, Query, TableError, TableName, Write,
};

use super::config_cache::ConfigCache;
use super::convert::{self, EngineItem};
use super::{requests, schema};
use crate::OpenError;

/// The tables in SQLite.
#[derive(Clone)]
pub(super) struct Engine {
    writer: Database,
    /// On a file a connection of its own, so that reads do not wait for commits to be synced.
    reader: Database,
    config: Arc<ConfigCache>,
}

impl Engine {
    pub(super) fn in_memory() -> Result<Self, OpenError> {
        let writer = Database::memory().map_err(open_error)?;
        schema::create_missing(&writer).map_err(open_error)?;
        Ok(Self { reader: writer.clone(), writer, config: Arc::default() })
    }

    pub(super) fn in_file(path: &Path) -> Result<Self, OpenError> {
        let name = path.to_string_lossy();
        let writer = Database::new(&name).map_err(open_error)?;
        schema::create_missing(&writer).map_err(open_error)?;
        let reader = Database::new(&name).map_err(open_error)?;
        Ok(Self { writer, reader, config: Arc::default() })
    }

    pub(super) fn get(
        &self,
        table: TableName,
        key: Key,
        consistent: bool,
    ) -> Result<Option<Item>, TableError> {
        let read = |key| {
            let request = requests::get(table, key, consistent);
            let response = self.reader.get_item(request).map_err(|error| convert::error(table, error))?;
            Ok(response.item.map(convert::item_from))
        };
        match table {
            TableName::Config => self.config.get(key, read),
            TableName::Ledger => read(key),
        }
    }

    pub(super) fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let mut items = Vec::new();
        // BatchGetItem takes 100 keys; without limits of throughput none is left unprocessed, but an answer
        // above 16 MB is.
        let mut pending: Vec<_> = keys.into_iter().map(|key| convert::item_to(key.into_item())).collect();
        while !pending.is_empty() {
            let portion = pending.split_off(pending.len().saturating_sub(100));
            let request = requests::batch_get(table, portion);
            let response =
                self.reader.batch_get_item(request).map_err(|error| convert::error(table, error))?;
            items.extend(response.responses.into_values().flatten().map(convert::item_from));
            for left in response.unprocessed_keys.into_values() {
                pending.extend(convert::unprocessed_keys(table, &left)?);
            }
        }
        Ok(items)
    }

    pub(super) fn query(&self, query: Query) -> Result<Page, TableError> {
        let table = query.table;
        let response =
            self.reader.query(requests::query(query)).map_err(|error| convert::error(table, error))?;
        Ok(Page {
            items: response.items.unwrap_or_default().into_iter().map(convert::item_from).collect(),
            next: response.last_evaluated_key.map(convert::item_from),
        })
    }

    /// The highest range key of a partition.
    pub(super) fn highest_range_key(&self, table: TableName, pk: &str) -> Result<Option<String>, TableError> {
        let query = Query { ascending: false, limit: Some(1), ..Query::partition(table, pk) };
        let last = self.query(Query { consistent: true, ..query })?.items.pop();
        Ok(last.and_then(|mut item| match item.remove("sk") {
            Some(AttributeValue::S(text)) => Some(text),
            _ => None,
        }))
    }

    pub(super) fn put(&self, put: Put) -> Result<(), TableError> {
        let table = put.table;
        let _writing = (table == TableName::Config).then(|| self.config.writing());
        let result = self.writer.put_item(requests::put(put));
        result.map(|_| ()).map_err(|error| convert::error(table, error))
    }

    pub(super) fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let tables = || writes.iter().map(requests::table_of);
        let table = tables().next().unwrap_or(TableName::Config);
        let _writing = tables().any(|table| table == TableName::Config).then(|| self.config.writing());
        let result = self.writer.transact_write_items(requests::transaction(writes));
        result.map(|_| ()).map_err(|error| convert::error(table, error))
    }

    /// Puts items that are known to be valid, in one commit.
    pub(super) fn put_all(&self, table: TableName, items: Vec<EngineItem>) -> Result<(), TableError> {
        let name = requests::table_name(table);
        let result = self.writer.import_items(&name, items, ImportOptions::default());
        result.map(|_| ()).map_err(|error| convert::error(table, error))
    }

    /// Removes what has expired.
    pub(super) fn remove_expired(&self) -> Result<(), TableError> {
        self.writer.sweep_ttl().map(|_| ()).map_err(|error| convert::error(TableName::Ledger, error))
    }
}

fn open_error(error: DynoxideError) -> OpenError {
    OpenError::Table(error.to_string())
}
