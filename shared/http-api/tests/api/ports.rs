//! The ports of the fixture: a clock that moves with every look, a queue that can be worked off, a receiver
//! that answers what the test says, and a table that can fail.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use postrider_application::ports::outbound::Refusal;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Write};
use postrider_application::ports::{
    Clock, Outbound, OutboundError, OutboundRequest, OutboundResponse, OutgoingMessage, Queue, QueueError,
    QueueName, QueueRecord, Table, TableError, TableName,
};
use postrider_domain::Timestamp;
use postrider_embedded::EmbeddedTable;
use tokio::sync::RwLock;

/// 2026-01-31T12:00:00Z.
const START: u64 = 1_769_860_800_000;

/// A clock that moves a millisecond with every look at it.
pub(crate) struct TickingClock(AtomicU64);

impl TickingClock {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(START))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }

    async fn sleep(&self, wait: Duration) {
        self.advance(wait);
    }
}

/// Messages that were sent and not taken yet.
#[derive(Default)]
pub(crate) struct RecordedQueue {
    messages: Mutex<Vec<(QueueName, OutgoingMessage)>>,
    pub(crate) fails: AtomicBool,
    /// How many messages somebody has begun to send.
    pub(crate) begun: AtomicUsize,
    /// Written to by who wants that nothing is sent for a while.
    pub(crate) gate: RwLock<()>,
}

impl RecordedQueue {
    /// Takes the messages of a queue.
    pub(crate) fn take(&self, name: QueueName) -> Vec<QueueRecord> {
        let mut messages = self.messages.lock().unwrap();
        let (taken, kept) = messages.drain(..).partition(|(queue, _)| *queue == name);
        *messages = kept;
        let record = |(index, (_, message)): (usize, (QueueName, OutgoingMessage))| QueueRecord {
            message_id: index.to_string(),
            body: message.body.written(),
            receive_count: 1,
        };
        taken.into_iter().enumerate().map(record).collect()
    }
}

#[async_trait]
impl Queue for RecordedQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        self.begun.fetch_add(messages.len(), Ordering::SeqCst);
        let _open = self.gate.read().await;
        let fails = self.fails.load(Ordering::SeqCst);
        let send = |message| {
            if fails {
                return Err(QueueError::Unavailable { queue, source: "secret reason".into() });
            }
            self.messages.lock().unwrap().push((queue, message));
            Ok(())
        };
        messages.into_iter().map(send).collect()
    }
}

/// A receiver that answers what it is told.
pub(crate) struct ScriptedReceiver {
    pub(crate) status: AtomicU16,
    pub(crate) requests: Mutex<Vec<OutboundRequest>>,
}

impl ScriptedReceiver {
    pub(crate) fn new() -> Self {
        Self { status: AtomicU16::new(200), requests: Mutex::default() }
    }
}

#[async_trait]
impl Outbound for ScriptedReceiver {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.requests.lock().unwrap().push(request);
        let mut headers = HeaderMap::new();
        headers.append("x-part", "1".parse().unwrap());
        headers.append("x-part", "2".parse().unwrap());
        Ok(OutboundResponse {
            status: self.status.load(Ordering::SeqCst),
            headers,
            body: "seen".into(),
            body_truncated: false,
        })
    }

    fn check_url(&self, url: &url::Url, _: &[ipnet::IpNet]) -> Result<(), Refusal> {
        assert_ne!(url.host_str(), Some("panic.example"), "the receiver that panics");
        Ok(())
    }
}

/// A table that can be told to fail.
pub(crate) struct FragileTable {
    table: EmbeddedTable,
    pub(crate) fails: AtomicBool,
}

impl FragileTable {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { table: EmbeddedTable::in_memory().unwrap(), fails: AtomicBool::new(false) })
    }

    fn check(&self, table: TableName) -> Result<(), TableError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(TableError::Unavailable { table, source: "secret reason".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Table for FragileTable {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        self.check(table)?;
        self.table.get(table, key, consistent).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        self.check(table)?;
        self.table.batch_get(table, keys).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        self.check(put.table)?;
        self.table.put(put).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.check(TableName::Config)?;
        self.table.transact(writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        self.check(query.table)?;
        self.table.query(query).await
    }
}
