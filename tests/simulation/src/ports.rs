//! The ports with what can go wrong at them: every call takes time, and while there are faults it may fail
//! before or after it takes effect, take very long, or be the last thing that its worker does.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::executor::block_on;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};
use postrider_application::ports::{
    BlobError, Blobs, Clock, Entropy, OutgoingMessage, Queue, QueueError, QueueName,
};
use postrider_domain::Timestamp;

use crate::executor::{Simulation, TaskId};
use crate::indexes::Indexes;
use crate::queues::Queues;

/// What goes wrong, and which tasks it struck.
pub(crate) struct Faults {
    simulation: Simulation,
    /// In thousandths of all calls.
    rate: AtomicU64,
    struck: Mutex<BTreeSet<TaskId>>,
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ErrorBefore,
    ErrorAfter,
    DeathBefore,
    DeathAfter,
}

#[derive(Debug)]
struct Struck;

impl std::fmt::Display for Struck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a simulated fault")
    }
}

impl std::error::Error for Struck {}

impl Faults {
    pub(crate) fn new(simulation: Simulation, rate: u64) -> Self {
        Self { simulation, rate: rate.into(), struck: Mutex::default() }
    }

    /// From now on nothing fails.
    pub(crate) fn end(&self) {
        self.rate.store(0, Ordering::Relaxed);
    }

    /// Whether there still are faults.
    pub(crate) fn go_on(&self) -> bool {
        self.rate.load(Ordering::Relaxed) > 0
    }

    /// Whether a fault struck this task.
    pub(crate) fn struck(&self, task: TaskId) -> bool {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).contains(&task)
    }

    /// Says that something happened to a task that excuses a repetition.
    pub(crate) fn excuse(&self, task: TaskId) {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
    }

    /// A call that `what` names: waits for its turn, does it, or does not. `None` is an error of the call.
    async fn call<T>(&self, what: impl Fn() -> String, work: impl Future<Output = T>) -> Option<T> {
        let rate = self.rate.load(Ordering::Relaxed);
        let simulation = &self.simulation;
        let (wait, fault) = simulation.draw(|random| {
            let usual = random.between(1, 12);
            let is_slow = rate > 0 && random.below(400) == 0;
            let fault = (random.below(1000) < rate).then(|| {
                random.pick(&[Fault::ErrorBefore, Fault::ErrorAfter, Fault::DeathBefore, Fault::DeathAfter])
            });
            (if is_slow { random.between(500, 8_000) } else { usual }, fault)
        });
        simulation.sleep(wait).await;
        let task = simulation.current();
        simulation.note(|| fault.map_or_else(&what, |fault| format!("{} !{fault:?}", what())));
        if fault.is_some() {
            self.excuse(task);
        }
        match fault {
            Some(Fault::ErrorBefore) => return None,
            Some(Fault::DeathBefore) => self.die(task).await,
            _ => {}
        }
        // One call after the other, on this thread, whatever the engine does inside.
        let result = block_on(work);
        match fault {
            Some(Fault::ErrorAfter) => None,
            Some(Fault::DeathAfter) => {
                self.die(task).await;
                None
            }
            _ => Some(result),
        }
    }

    async fn die(&self, task: TaskId) {
        self.simulation.kill(task);
        self.simulation.sleep(1).await;
    }
}

/// The table with faults.
pub(crate) struct SimulatedTable {
    pub(crate) inner: Arc<dyn Table>,
    pub(crate) indexes: Indexes,
    pub(crate) faults: Arc<Faults>,
}

fn place(key: &Key) -> String {
    format!("{} {}", key.pk, key.sk)
}

fn place_of(item: &Item) -> String {
    let text = |name| item.get(name).map(|value| format!("{value:?}")).unwrap_or_default();
    format!("{} {} version {} status {}", text("pk"), text("sk"), text("version"), text("status"))
}

impl SimulatedTable {
    async fn call<T>(
        &self,
        table: TableName,
        what: impl Fn() -> String,
        work: impl Future<Output = Result<T, TableError>>,
    ) -> Result<T, TableError> {
        let failed = || TableError::Unavailable { table, source: Struck.into() };
        self.faults.call(what, work).await.unwrap_or_else(|| Err(failed()))
    }
}

#[async_trait]
impl Table for SimulatedTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        let name = place(&key);
        self.call(table, || format!("get {name}"), self.inner.get(table, key, consistent)).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        let count = keys.len();
        self.call(table, || format!("batch get of {count}"), self.inner.batch_get(table, keys)).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        let name = place_of(&put.item);
        let (table, item) = (put.table, put.item.clone());
        let putting = async {
            self.inner.put(put).await?;
            self.indexes.written(&item);
            Ok(())
        };
        self.call(table, || format!("put {name}"), putting).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let (table, count) = (TableName::Config, writes.len());
        self.call(table, || format!("transaction of {count}"), self.inner.transact(writes)).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        let what = format!("query {:?} {}", query.index, query.keys.text);
        let (table, index) = (query.table, query.index);
        let reading = async {
            let mut page = self.inner.query(query).await?;
            if let Some(index) = index {
                self.indexes.leave_out(index, &mut page.items);
            }
            Ok(page)
        };
        self.call(table, || what.clone(), reading).await
    }
}

/// The senders' side of the queues, with faults.
pub(crate) struct SimulatedQueue {
    pub(crate) inner: Arc<Queues>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl Queue for SimulatedQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let count = messages.len();
        let what = || format!("send {count} to {queue}");
        let failed = || QueueError::Unavailable { queue, source: Struck.into() };
        // SQS can take some of a request and not the others.
        let refused = (self.faults.go_on() && count > 1)
            .then(|| {
                self.faults
                    .simulation
                    .draw(|random| (random.below(40) == 0).then(|| random.below(count as u64)))
            })
            .flatten();
        let sending = async {
            for (index, message) in messages.into_iter().enumerate() {
                if refused != Some(index as u64) {
                    self.inner.put(queue, message);
                }
            }
        };
        let sent = self.faults.call(what, sending).await;
        if refused.is_some() {
            self.faults.excuse(self.faults.simulation.current());
        }
        let result = |index: usize| match sent {
            Some(()) if refused != Some(index as u64) => Ok(()),
            _ => Err(failed()),
        };
        (0..count).map(result).collect()
    }
}

/// The store of large payloads, with faults.
pub(crate) struct SimulatedBlobs {
    pub(crate) inner: Arc<dyn Blobs>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl Blobs for SimulatedBlobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        let failed = || BlobError { action: "store", key: key.to_owned(), source: Struck.into() };
        let what = || format!("store blob {key}");
        self.faults.call(what, self.inner.put(key, content)).await.unwrap_or_else(|| Err(failed()))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        let failed = || BlobError { action: "read", key: key.to_owned(), source: Struck.into() };
        let what = || format!("read blob {key}");
        self.faults.call(what, self.inner.get(key)).await.unwrap_or_else(|| Err(failed()))
    }

    async fn link(
        &self,
        key: &str,
        now: Timestamp,
        valid_for: Duration,
    ) -> Result<Option<String>, BlobError> {
        self.inner.link(key, now, valid_for).await
    }
}

/// A clock that goes wrong by a constant, as those of different machines do.
pub(crate) struct SimulatedClock {
    pub(crate) simulation: Simulation,
    /// In milliseconds.
    pub(crate) skew: i64,
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.simulation.now().saturating_add_signed(self.skew))
    }

    async fn sleep(&self, wait: Duration) {
        self.simulation.sleep(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).await;
    }
}

/// Randomness that follows from the seed.
pub(crate) struct SimulatedEntropy(pub(crate) Simulation);

impl Entropy for SimulatedEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.draw(|random| {
            for chunk in buffer.chunks_mut(8) {
                chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]);
            }
        });
    }
}
