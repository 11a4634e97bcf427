//! The ports of Postrider in one process, on a folder or in memory.
//!
//! The table speaks DynamoDB's operations through dynoxide, which keeps it in SQLite. The queue has the
//! semantics of SQS with Lambda's event source before it. What an operation acknowledged survives a killed
//! process and a power cut: every commit is synced, and commits of concurrent callers are gathered.

pub mod blobs;
pub mod data_dir;
pub mod queue;
pub mod table;
mod turns;
pub mod vault;
mod write_log;

pub use blobs::{FolderBlobs, MemoryBlobs};
pub use data_dir::DataDir;
pub use queue::{EventSource, EventSourceConfig, Grouping, LocalQueues};
pub use table::EmbeddedTable;
pub use vault::LocalVault;

/// The embedded stack could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the folder.
    #[error(
        "the data folder {0} is in use by another process; stop it, or choose another folder with --data"
    )]
    InUse(std::path::PathBuf),
    /// A file or folder could not be used.
    #[error("cannot use {path}")]
    File {
        /// The file or folder.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The table's database could not be opened.
    #[error("cannot open the table's database: {0}")]
    Table(String),
    /// The database in which an earlier version kept the queue could not be read.
    #[error("cannot read the queue of an earlier version")]
    Queue(#[from] rusqlite::Error),
    /// The master key's file does not hold a key.
    #[error("the file {0} does not hold master keys (a line of 64 hexadecimal characters for each)")]
    MasterKey(std::path::PathBuf),
}
