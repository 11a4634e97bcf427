//! The messages that versions before this log kept in a database.

use std::fs;
use std::io;
use std::path::Path;

use postrider_domain::Timestamp;
use rusqlite::Connection;

use super::super::state::Message;
use super::record::{LogEntry, queue_named};
use crate::OpenError;

/// How many messages are taken over at a time.
const PORTION: usize = 1_000;

/// Hands what is in the database to `take`, which makes it durable, and removes the database. Whoever is interrupted
/// does it once more; the messages have the same ids then.
pub(super) fn take_over(
    path: &Path,
    mut take: impl FnMut(Vec<LogEntry>) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let database = path.with_extension("sqlite");
    let failed = |source| OpenError::File { path: database.clone(), source };
    if !fs::exists(&database).map_err(failed)? {
        return Ok(());
    }
    let mut messages = read(&database)?;
    while !messages.is_empty() {
        let portion = messages.drain(..messages.len().min(PORTION)).collect();
        take(portion)?;
    }
    tracing::info!(path = %database.display(), "the queue of an earlier version was taken over");
    fs::remove_file(&database).map_err(failed)
}

fn read(database: &Path) -> Result<Vec<LogEntry>, OpenError> {
    let connection = Connection::open(database)?;
    let mut statement = connection.prepare(
        "SELECT id, queue, body, message_group, visible_at, receive_count FROM message ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let queue: String = row.get(1)?;
        let unknown =
            || io::Error::other(format!("it has messages for the queue {queue}, which is not known"));
        let queue = queue_named(&queue)
            .ok_or_else(|| OpenError::File { path: database.to_owned(), source: unknown() })?;
        let visible_at = Timestamp::from_millis(row.get::<_, i64>(4)?.unsigned_abs());
        let id = row.get::<_, i64>(0)?.unsigned_abs();
        let message = Message::kept(id, row.get(2)?, row.get(3)?, visible_at, row.get(5)?);
        messages.push(LogEntry::Sent(queue, message));
    }
    Ok(messages)
}
