//! The file behind the queues: what was sent and not yet removed.
//!
//! One thread writes, and gathers whatever waits into one transaction, so that concurrent senders share the
//! sync to the disk. SQLite keeps the file whole; nothing here is searched while messages flow.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use postrider_application::ports::QueueName;
use postrider_domain::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::checkpoints::Checkpoints;
use super::state::{Message, Touch};
use crate::OpenError;

/// How many groups of entries share a commit at most.
const GATHERED: usize = 256;

/// Something to be remembered.
pub(super) enum LogEntry {
    /// A message was sent.
    Sent(QueueName, Message),
    /// A message was handed out once more.
    Touched(Touch),
    /// A message went to its dead-letter queue.
    Moved { id: u64, to: QueueName },
    /// A message was dealt with.
    Removed(u64),
}

impl LogEntry {
    fn bytes(&self) -> usize {
        if let Self::Sent(_, message) = self { message.body.len() } else { 0 }
    }
}

/// The log could not be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue's file cannot be written: {0}")]
pub(super) struct LogError(Arc<str>);

type Job = (Vec<LogEntry>, Option<oneshot::Sender<Result<(), LogError>>>);

/// Writes to the log.
pub(super) struct Log {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Log {
    /// Opens the log and answers what it kept.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<(QueueName, Message)>), OpenError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS message (
                id INTEGER PRIMARY KEY,
                queue TEXT NOT NULL,
                body TEXT NOT NULL,
                message_group TEXT NOT NULL,
                visible_at INTEGER NOT NULL,
                receive_count INTEGER NOT NULL
            ) STRICT",
        )?;
        let kept = read(&connection)?;
        let checkpoints = Checkpoints::start(path, &connection)?;
        let (jobs, received) = mpsc::unbounded_channel();
        let thread = thread::Builder::new().name("queue-log".to_owned());
        thread
            .spawn(move || write_all(connection, checkpoints, received))
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        Ok((Self { jobs }, kept))
    }

    /// Remembers entries soon.
    pub(super) fn append(&self, entries: Vec<LogEntry>) {
        // When the thread has ended the process is ending too; what is lost is only forgetting.
        self.jobs.send((entries, None)).ok();
    }

    /// Remembers entries; they survive a power cut when this returns.
    pub(super) async fn synced(&self, entries: Vec<LogEntry>) -> Result<(), LogError> {
        let stopped = || LogError("the writing thread has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.jobs.send((entries, Some(reply))).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn read(connection: &Connection) -> Result<Vec<(QueueName, Message)>, rusqlite::Error> {
    let names = QueueName::all();
    let mut statement = connection.prepare(
        "SELECT id, queue, body, message_group, visible_at, receive_count FROM message ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let queue: String = row.get(1)?;
        // A queue that this version does not have keeps its messages for one that does.
        let Some(queue) = names.iter().find(|name| name.to_string() == queue) else { continue };
        let visible_at = Timestamp::from_millis(row.get::<_, i64>(4)?.unsigned_abs());
        let id = row.get::<_, i64>(0)?.unsigned_abs();
        messages.push((*queue, Message::kept(id, row.get(2)?, row.get(3)?, visible_at, row.get(5)?)));
    }
    Ok(messages)
}

fn write_all(
    mut connection: Connection,
    mut checkpoints: Checkpoints,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    while let Some(first) = jobs.blocking_recv() {
        let mut gathered = vec![first];
        while gathered.len() < GATHERED {
            match jobs.try_recv() {
                Ok(job) => gathered.push(job),
                Err(_) => break,
            }
        }
        let result = commit(&mut connection, &gathered).map_err(|error| LogError(error.to_string().into()));
        if let Err(error) = &result {
            tracing::error!(error = %error, "the queue's file cannot be written");
        }
        let entries = || gathered.iter().flat_map(|(entries, _)| entries);
        let (changes, bytes) = (entries().count(), entries().map(LogEntry::bytes).sum());
        for (_, reply) in gathered {
            if let Some(reply) = reply {
                reply.send(result.clone()).ok();
            }
        }
        checkpoints.committed(&connection, changes, bytes);
    }
}

fn commit(connection: &mut Connection, jobs: &[Job]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO message (id, queue, body, message_group, visible_at, receive_count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut touch = transaction
            .prepare_cached("UPDATE message SET visible_at = ?2, receive_count = ?3 WHERE id = ?1")?;
        let mut shift =
            transaction.prepare_cached("UPDATE message SET queue = ?2, receive_count = 0 WHERE id = ?1")?;
        let mut remove = transaction.prepare_cached("DELETE FROM message WHERE id = ?1")?;
        for entry in jobs.iter().flat_map(|(entries, _)| entries) {
            match entry {
                LogEntry::Sent(queue, message) => insert.execute(params![
                    signed(message.id),
                    queue.to_string(),
                    &*message.body,
                    &*message.group,
                    signed(message.visible_at.as_millis()),
                    message.receive_count,
                ])?,
                LogEntry::Touched(Touch { id, visible_at, receive_count }) => {
                    touch.execute(params![signed(*id), signed(visible_at.as_millis()), receive_count])?
                }
                LogEntry::Moved { id, to } => shift.execute(params![signed(*id), to.to_string()])?,
                LogEntry::Removed(id) => remove.execute([signed(*id)])?,
            };
        }
    }
    transaction.commit()
}

/// SQLite's integers are signed; ids and times are far below the limit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
