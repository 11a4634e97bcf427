//! The Table port with faults.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};

use super::plan::{Failing, FaultPlan, ToldToFail};

/// A table that fails by a plan.
pub struct FaultyTable {
    inner: Arc<dyn Table>,
    plan: Arc<FaultPlan>,
    lost: Mutex<Vec<Item>>,
}

impl FaultyTable {
    /// This table, failing by this plan.
    pub fn new(inner: Arc<dyn Table>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan, lost: Mutex::default() }
    }

    /// The items of the puts that failed and had no effect, in their order.
    pub fn lost_puts(&self) -> Vec<Item> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn call<T: Send>(
        &self,
        table: TableName,
        call: impl Future<Output = Result<T, TableError>> + Send,
    ) -> Result<T, TableError> {
        let told_to_fail = || TableError::Unavailable { table, source: ToldToFail.into() };
        match self.plan.next() {
            Some(Failing::Before) => Err(told_to_fail()),
            Some(Failing::After) => {
                drop(call.await);
                Err(told_to_fail())
            }
            None => call.await,
        }
    }
}

#[async_trait]
impl Table for FaultyTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        self.call(table, self.inner.get(table, key, consistent)).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        self.call(table, self.inner.batch_get(table, keys)).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        let (table, item) = (put.table, put.item.clone());
        let has_reached = AtomicBool::new(false);
        let reaching = async {
            has_reached.store(true, Ordering::Relaxed);
            self.inner.put(put).await
        };
        let result = self.call(table, reaching).await;
        if !has_reached.into_inner() {
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
        result
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let table = match writes.first() {
            Some(Write::Put(put)) => put.table,
            Some(Write::Update(update)) => update.table,
            Some(Write::Delete(delete)) => delete.table,
            None => TableName::Config,
        };
        self.call(table, self.inner.transact(writes)).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        self.call(query.table, self.inner.query(query)).await
    }
}
