//! The thread that writes: one, because the database takes one writer at a time, and what it touches stays in
//! one core's caches.
//!
//! On a file, a commit is synced to the disk, which takes far longer than the writes in it. So while one commit
//! is under way the next writes gather, and go together in one transaction. When a condition in it fails, the
//! transaction changes nothing: the writes whose condition failed are answered, and the others go again.

use std::collections::{HashSet, VecDeque};
use std::thread;

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use postrider_application::ports::table::{AttributeValue, Put, TableError, TableName, Write};
use tokio::sync::{mpsc, oneshot};

use super::{convert, requests};
use crate::OpenError;

/// How many writes share a commit at most. `TransactWriteItems` takes 100 and 4 MB.
const GATHERED: usize = 64;

type Reply = oneshot::Sender<Result<(), TableError>>;

enum Job {
    Put(Put, Reply),
    Transact(Vec<Write>, Reply),
}

/// How writes are committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// Each by itself: in memory, a commit costs nothing.
    Each,
    /// Those that wait together.
    Gathered,
}

/// Sends writes to the thread.
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    database: Database,
}

impl Writer {
    pub(super) fn start(database: Database, commit: Commit) -> Result<Self, OpenError> {
        let (jobs, received) = mpsc::unbounded_channel();
        let worker = database.clone();
        let thread = thread::Builder::new().name("table-writer".to_owned());
        thread
            .spawn(move || write_all(&worker, commit, received))
            .map_err(|error| OpenError::Table(error.to_string()))?;
        Ok(Self { jobs, database })
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) async fn put(&self, put: Put) -> Result<(), TableError> {
        let table = put.table;
        self.done(table, |reply| Job::Put(put, reply)).await
    }

    pub(super) async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.done(table_of(&writes), |reply| Job::Transact(writes, reply)).await
    }

    async fn done(&self, table: TableName, job: impl FnOnce(Reply) -> Job) -> Result<(), TableError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || TableError::Unavailable { table, source: "the writing thread has stopped".into() };
        self.jobs.send(job(reply)).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn table_of(writes: &[Write]) -> TableName {
    match writes.first() {
        Some(Write::Put(put)) => put.table,
        Some(Write::Update(update)) => update.table,
        Some(Write::Delete(delete)) => delete.table,
        None => TableName::Config,
    }
}

/// The caller may have gone meanwhile; the write stands all the same.
fn answer(reply: Reply, result: Result<(), TableError>) {
    drop(reply.send(result));
}

fn write_all(database: &Database, commit: Commit, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut waiting: VecDeque<(Put, Reply)> = VecDeque::new();
    loop {
        let mut next = if waiting.is_empty() { jobs.blocking_recv() } else { jobs.try_recv().ok() };
        if next.is_none() && waiting.is_empty() {
            return;
        }
        let mut transactions = Vec::new();
        while let Some(job) = next {
            match job {
                Job::Put(put, reply) => waiting.push_back((put, reply)),
                Job::Transact(writes, reply) => transactions.push((writes, reply)),
            }
            next = if waiting.len() < GATHERED { jobs.try_recv().ok() } else { None };
        }
        match commit {
            Commit::Gathered => write_group(database, take_group(&mut waiting)),
            Commit::Each => write_each(database, waiting.drain(..)),
        }
        for (writes, reply) in transactions {
            answer(reply, transact_alone(database, writes));
        }
    }
}

/// The first of the waiting writes that are on different items. The others keep their order.
fn take_group(waiting: &mut VecDeque<(Put, Reply)>) -> Vec<(Put, Reply)> {
    let (mut group, mut left, mut keys) = (Vec::new(), VecDeque::new(), HashSet::new());
    for (put, reply) in waiting.drain(..) {
        if group.len() < GATHERED && keys.insert(key_of(&put)) {
            group.push((put, reply));
        } else {
            left.push_back((put, reply));
        }
    }
    *waiting = left;
    group
}

fn key_of(put: &Put) -> (TableName, String, String) {
    let text = |name: &str| match put.item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    (put.table, text("pk"), text("sk"))
}

fn write_group(database: &Database, mut group: Vec<(Put, Reply)>) {
    while group.len() > 1 {
        let actions = group.iter().map(|(put, _)| requests::action(Write::Put(put.clone()), true)).collect();
        let request =
            TransactWriteItemsRequest { transact_items: actions, ..TransactWriteItemsRequest::default() };
        match database.transact_write_items(request) {
            Ok(_) => {
                group.into_iter().for_each(|(_, reply)| answer(reply, Ok(())));
                return;
            }
            Err(DynoxideError::TransactionCanceledException(_, reasons)) if reasons.len() == group.len() => {
                let mut again = Vec::new();
                let before = group.len();
                for ((put, reply), reason) in group.into_iter().zip(reasons) {
                    if reason.code == "ConditionalCheckFailed" {
                        let current = reason.item.map(|item| Box::new(convert::item_from(item)));
                        answer(reply, Err(TableError::ConditionFailed { current }));
                    } else {
                        again.push((put, reply));
                    }
                }
                group = again;
                if group.len() == before {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    // What cannot go together goes alone, so that one bad write does not fail the others.
    write_each(database, group);
}

fn write_each(database: &Database, puts: impl IntoIterator<Item = (Put, Reply)>) {
    for (put, reply) in puts {
        let table = put.table;
        let result = database.put_item(requests::put(put));
        answer(reply, result.map(|_| ()).map_err(|error| convert::error(table, error)));
    }
}

fn transact_alone(database: &Database, writes: Vec<Write>) -> Result<(), TableError> {
    let table = table_of(&writes);
    let actions = writes.into_iter().map(|write| requests::action(write, false)).collect();
    let request =
        TransactWriteItemsRequest { transact_items: actions, ..TransactWriteItemsRequest::default() };
    database.transact_write_items(request).map(|_| ()).map_err(|error| convert::error(table, error))
}
