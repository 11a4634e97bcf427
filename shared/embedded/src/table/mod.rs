//! The Table port on dynoxide, which has DynamoDB's operations on SQLite, with the ledger's latest writes ahead
//! of it.

mod backlog;
mod config_cache;
mod convert;
mod direct;
mod engine;
mod overlay;
mod requests;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};
use postrider_domain::Timestamp;
use tokio::task::spawn_blocking;

use self::direct::Direct;
use self::engine::Engine;
use self::overlay::{Concerned, HotPut, Overlay, PORTION, Place, records};
use self::writer::Writer;
use crate::{OpenError, write_log};

/// DynamoDB's tables in one process.
pub struct EmbeddedTable {
    engine: Engine,
    overlay: Arc<Overlay>,
    /// On a file, where writes must be synced.
    writer: Option<Writer>,
}

impl EmbeddedTable {
    /// Tables that live as long as the process.
    ///
    /// # Errors
    /// When SQLite cannot be used.
    pub fn in_memory() -> Result<Self, OpenError> {
        let engine = Engine::in_memory()?;
        let overlay = Arc::new(Overlay::new(engine.clone()));
        Ok(Self { engine, overlay, writer: None })
    }

    /// Tables in a file, which is made where it is missing, with a log beside it.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn in_file(path: &Path) -> Result<Self, OpenError> {
        let engine = Engine::in_file(path)?;
        take_in_log(path, &engine)?;
        let overlay = Arc::new(Overlay::new(engine.clone()));
        let writer = Some(Writer::start(path, &overlay)?);
        Ok(Self { engine, overlay, writer })
    }

    /// Removes what has expired by `now`, as DynamoDB's TTL does. After a restart some of it may be there again,
    /// until this is called the next time.
    ///
    /// # Errors
    /// When the tables cannot be written.
    pub async fn remove_expired(&self, now: Timestamp) -> Result<(), TableError> {
        let places = self.overlay.places(&Concerned::ExpiredBy(now.as_seconds()));
        self.settle(places).await?;
        let engine = self.engine.clone();
        blocking(move || engine.remove_expired()).await
    }

    async fn settle(&self, places: Vec<Place>) -> Result<(), TableError> {
        if places.is_empty() {
            return Ok(());
        }
        let overlay = Arc::clone(&self.overlay);
        blocking(move || overlay.settle(&places)).await
    }

    async fn write_direct(&self, direct: Direct) -> Result<(), TableError> {
        let places = direct.places();
        if places.is_empty() {
            let engine = self.engine.clone();
            return blocking(move || direct.write(&engine)).await;
        }
        if let Some(writer) = &self.writer {
            return writer.direct(direct, places).await;
        }
        let overlay = Arc::clone(&self.overlay);
        blocking(move || overlay.exclusively(&places, |engine| direct.write(engine))).await
    }
}

/// Gives the engine what an earlier process wrote to the log.
fn take_in_log(path: &Path, engine: &Engine) -> Result<(), OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let (numbers, kept) = records::read(path).map_err(failed)?;
    let items: Vec<_> = kept.into_iter().filter_map(|(place, item)| Some((place, item?))).collect();
    for portion in items.chunks(PORTION) {
        let items = portion.iter().map(|(place, packed)| overlay::engine_item(place, packed)).collect();
        let given = engine.put_all(TableName::Ledger, items);
        given.map_err(|error| OpenError::Table(error.to_string()))?;
    }
    let put_away = |number| write_log::put_away(path, number, true).map(drop);
    numbers.into_iter().try_for_each(put_away).map_err(failed)
}

/// Does something on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TableError> + Send + 'static,
) -> Result<T, TableError> {
    let unavailable = |error: tokio::task::JoinError| TableError::Unavailable {
        table: TableName::Ledger,
        source: error.into(),
    };
    spawn_blocking(work).await.map_err(unavailable)?
}

#[async_trait]
impl Table for EmbeddedTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        if table == TableName::Ledger
            && let Some(item) = self.overlay.get(&Place::new(&key.pk, &key.sk))
        {
            return Ok(Some(item));
        }
        self.engine.get(table, key, consistent)
    }

    async fn batch_get(&self, table: TableName, mut keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let mut items = Vec::new();
        if table == TableName::Ledger {
            keys.retain(|key| match self.overlay.get(&Place::new(&key.pk, &key.sk)) {
                Some(item) => {
                    items.push(item);
                    false
                }
                None => true,
            });
        }
        items.extend(self.engine.batch_get(table, keys)?);
        Ok(items)
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        match (HotPut::recognise(&put), &self.writer) {
            (Some(put), None) => self.overlay.put(put),
            // In memory there is a future of this kind for each of many events, and nothing to wait for.
            (Some(put), Some(writer)) => Box::pin(writer.put(put)).await,
            (None, _) => Box::pin(self.write_direct(Direct::Put(put))).await,
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.write_direct(Direct::Transact(writes)).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        if query.table == TableName::Ledger {
            self.settle(self.overlay.concerned_by(&query)).await?;
        }
        self.engine.query(query)
    }
}

#[cfg(test)]
mod tests;
