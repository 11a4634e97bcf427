//! The Table port on dynoxide: DynamoDB's operations on SQLite, called in process.

mod convert;
mod requests;
mod schema;
mod writer;

use std::path::Path;

use async_trait::async_trait;
use dynoxide::{Database, DynoxideError};
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};

use self::writer::{Commit, Writer};
use crate::OpenError;

/// DynamoDB's tables in one process.
pub struct EmbeddedTable {
    reader: Database,
    writer: Writer,
}

impl EmbeddedTable {
    /// Tables that live as long as the process.
    ///
    /// # Errors
    /// When SQLite cannot be used.
    pub fn in_memory() -> Result<Self, OpenError> {
        let database = Database::memory().map_err(open_error)?;
        schema::create_missing(&database).map_err(open_error)?;
        Ok(Self { reader: database.clone(), writer: Writer::start(database, Commit::Each)? })
    }

    /// Tables in a file, which is made where it is missing.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn in_file(path: &Path) -> Result<Self, OpenError> {
        let name = path.to_string_lossy();
        let database = Database::new(&name).map_err(open_error)?;
        schema::create_missing(&database).map_err(open_error)?;
        // A second connection, so that reads do not wait for commits to be synced.
        let reader = Database::new(&name).map_err(open_error)?;
        Ok(Self { reader, writer: Writer::start(database, Commit::Gathered)? })
    }

    /// Removes what has expired, as DynamoDB's TTL does. Answers how many items that were.
    ///
    /// # Errors
    /// When the tables cannot be written.
    pub async fn remove_expired(&self) -> Result<usize, TableError> {
        let database = self.writer.database().clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        let unavailable = |source| TableError::Unavailable { table: TableName::Ledger, source };
        match swept {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(error)) => Err(unavailable(error.into())),
            Err(error) => Err(unavailable(error.into())),
        }
    }
}

fn open_error(error: DynoxideError) -> OpenError {
    OpenError::Table(error.to_string())
}

#[async_trait]
impl Table for EmbeddedTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        let request = requests::get(table, key, consistent);
        let response = self.reader.get_item(request).map_err(|error| convert::error(table, error))?;
        Ok(response.item.map(convert::item_from))
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
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

    async fn put(&self, put: Put) -> Result<(), TableError> {
        self.writer.put(put).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.writer.transact(writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        let table = query.table;
        let response =
            self.reader.query(requests::query(query)).map_err(|error| convert::error(table, error))?;
        Ok(Page {
            items: response.items.unwrap_or_default().into_iter().map(convert::item_from).collect(),
            next: response.last_evaluated_key.map(convert::item_from),
        })
    }
}

#[cfg(test)]
mod tests;
