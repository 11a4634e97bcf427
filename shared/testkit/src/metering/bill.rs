//! What was counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postrider_application::ports::QueueName;

/// What a table was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableBill {
    /// `GetItem` requests.
    pub gets: u64,
    /// `BatchGetItem` requests.
    pub batch_gets: u64,
    /// `Query` requests.
    pub queries: u64,
    /// `PutItem` requests.
    pub puts: u64,
    /// `TransactWriteItems` requests.
    pub transactions: u64,
    /// Writes whose condition did not hold; they are among the requests, and their units among the units.
    pub failed_conditions: u64,
    /// Write units, those of indexes included.
    pub write_units: u64,
    /// How many of the write units are the indexes'.
    pub index_write_units: u64,
    /// Read units, in halves.
    pub read_half_units: u64,
    /// The size in bytes of the largest item that was put.
    pub largest_put: usize,
}

impl TableBill {
    /// All requests that read.
    pub const fn reads(&self) -> u64 {
        self.gets + self.batch_gets + self.queries
    }

    /// All requests that write.
    pub const fn writes(&self) -> u64 {
        self.puts + self.transactions
    }

    /// Read units: 1 is a consistent read of up to 4 KB.
    pub fn read_units(&self) -> f64 {
        self.read_half_units as f64 / 2.0
    }
}

/// What a queue was asked. Requests are what SQS bills: one above 64 KB counts as several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueBill {
    /// `SendMessageBatch` requests.
    pub sends: u64,
    /// `ReceiveMessage` requests that brought something; Lambda's event source makes them.
    pub receives: u64,
    /// `DeleteMessageBatch` requests; Lambda's event source makes them.
    pub deletes: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages handed out.
    pub messages_received: u64,
}

impl QueueBill {
    /// All requests.
    pub const fn requests(&self) -> u64 {
        self.sends + self.receives + self.deletes
    }
}

/// What the store of blobs was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobBill {
    /// `PutObject` requests.
    pub puts: u64,
    /// `GetObject` requests.
    pub gets: u64,
}

#[derive(Default)]
struct Counted {
    table: TableBill,
    queues: HashMap<QueueName, QueueBill>,
    blobs: BlobBill,
}

/// Where the wrappers count.
#[derive(Default)]
pub struct Meter(Mutex<Counted>);

impl Meter {
    /// What the tables were asked so far.
    pub fn table(&self) -> TableBill {
        self.lock().table
    }

    /// What a queue was asked so far.
    pub fn queue(&self, queue: QueueName) -> QueueBill {
        self.lock().queues.get(&queue).copied().unwrap_or_default()
    }

    /// What the store of blobs was asked so far.
    pub fn blobs(&self) -> BlobBill {
        self.lock().blobs
    }

    /// Begins at nothing again.
    pub fn reset(&self) {
        *self.lock() = Counted::default();
    }

    pub(super) fn count_table(&self, count: impl FnOnce(&mut TableBill)) {
        count(&mut self.lock().table);
    }

    pub(super) fn count_queue(&self, queue: QueueName, count: impl FnOnce(&mut QueueBill)) {
        count(self.lock().queues.entry(queue).or_default());
    }

    pub(super) fn count_blobs(&self, count: impl FnOnce(&mut BlobBill)) {
        count(&mut self.lock().blobs);
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
