//! Blobs as files in a folder, or in memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_application::ports::{BlobError, Blobs};
use postrider_domain::Timestamp;

/// Blobs as files: the parts of a key are folders.
pub struct FolderBlobs {
    root: PathBuf,
}

impl FolderBlobs {
    /// Blobs in this folder, which is made when it is needed.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The file of a key. Keys are made of ids and digests; anything that could lead out is refused.
    fn path(&self, key: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
        if key.split('/').all(plain) { Ok(self.root.join(key)) } else { Err(ErrorKind::InvalidInput.into()) }
    }
}

/// Written elsewhere first and synced, so that the file is there whole or not at all.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

fn read(path: &Path) -> io::Result<Option<Bytes>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs file operations where they do not hold up others.
async fn in_background<T: Send + 'static>(
    action: &'static str,
    key: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    let result = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    result.map_err(|error| BlobError { action, key: key.to_owned(), source: error.into() })
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        let path = self.path(key);
        in_background("store", key, move || write(&path?, &content)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        let path = self.path(key);
        in_background("read", key, move || read(&path?)).await
    }

    /// Whoever serves this reads it here.
    async fn link(&self, _: &str, _: Timestamp, _: Duration) -> Result<Option<String>, BlobError> {
        Ok(None)
    }
}

/// Blobs that live as long as the process.
#[derive(Default)]
pub struct MemoryBlobs(Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), content);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    /// Whoever serves this reads it here.
    async fn link(&self, _: &str, _: Timestamp, _: Duration) -> Result<Option<String>, BlobError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use postrider_testkit::contracts::blobs::blobs_contract;

    use super::*;

    #[tokio::test]
    async fn the_contract_is_kept_in_a_folder_and_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        blobs_contract(&FolderBlobs::new(folder.path().join("blobs"))).await;
        blobs_contract(&MemoryBlobs::default()).await;
    }

    #[tokio::test]
    async fn a_key_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path().join("blobs"));
        for key in ["../x", "/etc/x", "a//b", "a/../../x", "", ".hidden"] {
            assert!(blobs.put(key, Bytes::new()).await.is_err(), "{key}");
            assert!(blobs.get(key).await.is_err(), "{key}");
        }
    }
}
