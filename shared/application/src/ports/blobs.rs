//! Large payloads, kept outside the table.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_domain::Timestamp;

use crate::messages::Payload;

/// Keeps bytes under a key.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a blob durably; storing the same key again replaces it.
    ///
    /// # Errors
    /// When it could not be stored.
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError>;

    /// Reads a blob; `None` when there is none.
    ///
    /// # Errors
    /// When the store could not be asked.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError>;

    /// A link at which anybody who has it can GET a blob as JSON from now on for `valid_for`, without asking whether
    /// there is one; `None` where blobs have no address of their own.
    ///
    /// # Errors
    /// When no link can be made.
    async fn link(&self, key: &str, now: Timestamp, valid_for: Duration)
    -> Result<Option<String>, BlobError>;
}

/// The store of blobs could not be used; trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("the blob store could not {action} {key}")]
pub struct BlobError {
    /// What was tried.
    pub action: &'static str,
    /// The blob's key.
    pub key: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The data of an event, wherever it is.
///
/// # Errors
/// When the store fails, or has no such blob although it should.
pub async fn load(blobs: &dyn Blobs, payload: &Payload) -> Result<Bytes, BlobError> {
    match payload {
        Payload::Inline(data) => Ok(data.clone().into_bytes()),
        Payload::Stored { key, .. } => blobs.get(key).await?.ok_or_else(|| BlobError {
            action: "find",
            key: key.clone(),
            source: "there is no such blob".into(),
        }),
    }
}
