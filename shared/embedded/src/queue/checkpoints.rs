//! Copies the queue's write-ahead log back into its file without holding up commits.
//!
//! SQLite would do it within a commit, which then waits until all pages are written and synced: tens of
//! milliseconds. Here another thread does it with a connection of its own, while commits go on. What they add
//! meanwhile is little, and copying that, after which the log begins anew, is left to the thread that commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;

use crate::OpenError;

/// How many pages are written before they are copied. Messages come and go in the same few pages: copying those
/// seldom saves most of the work.
const PAGES: usize = 8_000;

/// Of which size pages are, in bytes.
const PAGE_BYTES: usize = 4096;

/// When to copy, seen from the thread that commits.
pub(super) struct Checkpoints {
    /// An estimate of the pages written since the log began anew.
    pages: usize,
    copying: bool,
    copied: Arc<AtomicBool>,
    copy: mpsc::Sender<()>,
}

impl Checkpoints {
    /// Takes over from SQLite, on a file that `connection` has open.
    pub(super) fn start(path: &Path, connection: &Connection) -> Result<Self, OpenError> {
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let copier = Connection::open(path)?;
        let (copy, asked) = mpsc::channel();
        let copied = Arc::new(AtomicBool::new(false));
        let is_copied = Arc::clone(&copied);
        let thread = thread::Builder::new().name("queue-checkpoints".to_owned());
        thread
            .spawn(move || {
                while asked.recv().is_ok() {
                    checkpoint(&copier, "PASSIVE");
                    is_copied.store(true, Ordering::Release);
                }
            })
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        Ok(Self { pages: 0, copying: false, copied, copy })
    }

    /// Takes note of so many changes, of so many bytes, that were committed.
    pub(super) fn committed(&mut self, connection: &Connection, changes: usize, bytes: usize) {
        self.pages += 2 * changes + bytes / PAGE_BYTES;
        if self.copied.swap(false, Ordering::Acquire) {
            checkpoint(connection, "RESTART");
            (self.pages, self.copying) = (0, false);
        } else if self.pages >= PAGES && !self.copying {
            // When the thread has ended, the process is ending, too.
            self.copying = self.copy.send(()).is_ok();
        }
    }
}

/// What fails here is tried again the next time; until then the log grows.
fn checkpoint(connection: &Connection, mode: &str) {
    if let Err(error) = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
        tracing::warn!(%error, mode, "the queue's write-ahead log could not be copied");
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_log_begins_anew_when_it_was_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").unwrap();
        let mut checkpoints = Checkpoints::start(&path, &connection).unwrap();
        let mut commit = || {
            let body = "x".repeat(PAGE_BYTES);
            connection.execute("INSERT OR REPLACE INTO t VALUES (1, ?1)", [&body]).unwrap();
            checkpoints.committed(&connection, 100, body.len());
            checkpoints.pages
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while commit() > 0 {
            assert!(Instant::now() < deadline, "the log is never copied");
        }
        commit();
        let frames =
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, u32>(1)).unwrap();
        assert!((1..10).contains(&frames), "{frames} frames");
    }
}
