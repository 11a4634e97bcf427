//! The Table port on DynamoDB.
//!
//! The SDK sends a request again when its answer is lost, although the write may have taken effect. A
//! transaction carries a token by which DynamoDB knows it again. A conditional put has no such thing: the second
//! request finds what the first one wrote, and its condition fails. So when a put was sent more than once and
//! the item that is there is the one that was to be put, the put is done.

mod attempts;
mod convert;
mod error;
mod requests;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};

use self::attempts::Attempts;
use self::convert::item_from;
use crate::Backoff;

/// How many keys `BatchGetItem` takes.
const BATCH: usize = 100;

/// How many batches are under way at a time.
const PARALLEL: usize = 4;

/// The names of the tables in this deployment.
#[derive(Debug, Clone)]
pub struct TableNames {
    /// The name of [`TableName::Config`].
    pub config: String,
    /// The name of [`TableName::Ledger`].
    pub ledger: String,
}

impl TableNames {
    fn of(&self, table: TableName) -> &str {
        match table {
            TableName::Config => &self.config,
            TableName::Ledger => &self.ledger,
        }
    }
}

/// DynamoDB's tables.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: Client,
    names: TableNames,
    backoff: Backoff,
}

impl DynamoTable {
    /// The tables with these names.
    pub fn new(client: Client, names: TableNames) -> Self {
        Self { client, names, backoff: Backoff::default() }
    }

    /// The same tables, with other waits before keys that a batch left are asked for again.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    async fn get_portion(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let mut pending: Vec<_> = keys.into_iter().map(requests::key_to).collect();
        let mut items = Vec::with_capacity(pending.len());
        let mut fruitless = 0;
        while !pending.is_empty() {
            let asked = pending.len();
            let keys = requests::keys(pending).map_err(|error| invalid(table, error))?;
            let request = self.client.batch_get_item().request_items(self.names.of(table), keys);
            let answer = request.send().await.map_err(|error| error::plain(table, error))?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                items.push(item_from(table, item)?);
            }
            let left = answer.unprocessed_keys.unwrap_or_default().into_values();
            pending = left.flat_map(|keys| keys.keys).collect();
            // An answer that would be above 16 MB leaves keys, too: as long as some are answered, all will be.
            fruitless = if pending.len() < asked { 0 } else { fruitless + 1 };
            if !pending.is_empty() && !self.backoff.goes_on(fruitless) {
                let source = format!("{} keys were left each time", pending.len()).into();
                return Err(TableError::Unavailable { table, source });
            }
            if !pending.is_empty() {
                self.backoff.wait(fruitless.max(1)).await;
            }
        }
        Ok(items)
    }
}

fn invalid(table: TableName, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TableError {
    TableError::Invalid { table, source: error.into() }
}

#[async_trait]
impl Table for DynamoTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        let request = self.client.get_item().table_name(self.names.of(table));
        let request = request.set_key(Some(requests::key_to(key))).consistent_read(consistent);
        let answer = request.send().await.map_err(|error| error::plain(table, error))?;
        answer.item.map(|item| item_from(table, item)).transpose()
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let portions: Vec<Vec<Key>> = keys.chunks(BATCH).map(<[Key]>::to_vec).collect();
        stream::iter(portions)
            .map(|portion| self.get_portion(table, portion))
            .buffer_unordered(PARALLEL)
            .try_concat()
            .await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        let table = put.table;
        let wanted = put.condition.is_some().then(|| put.item.clone());
        let attempts = Attempts::default();
        let request = requests::put(self.client.put_item(), self.names.of(table), put);
        let sent = request.customize().interceptor(attempts.clone()).send().await;
        match sent.map_err(|error| error::put(table, error)) {
            Ok(_) => Ok(()),
            Err(TableError::ConditionFailed { current: Some(current) })
                if attempts.repeated() && wanted.as_ref() == Some(&*current) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let table = writes.first().map_or(TableName::Config, requests::table_of);
        let actions: Result<Vec<_>, _> =
            writes.into_iter().map(|write| requests::action(&self.names, write)).collect();
        let actions = actions.map_err(|error| invalid(table, error))?;
        // The SDK gives each operation, not each attempt, a ClientRequestToken.
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        request.send().await.map(|_| ()).map_err(|error| error::transact(table, error))
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        let table = query.table;
        let request = requests::query(self.client.query(), self.names.of(table), query);
        let answer = request.send().await.map_err(|error| error::plain(table, error))?;
        let items = answer.items.unwrap_or_default().into_iter().map(|item| item_from(table, item));
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next: next.map(|key| item_from(table, key)).transpose()?,
        })
    }
}
