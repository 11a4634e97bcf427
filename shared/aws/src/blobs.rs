//! The Blobs port on S3.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use postrider_application::ports::{BlobError, Blobs};
use postrider_domain::Timestamp;

use crate::s3::{Bucket, S3Error};

/// Blobs as objects of one bucket, under their keys.
///
/// Whoever reads needs `s3:ListBucket`, too: without it, S3 answers 403 for an object that does not exist.
#[derive(Debug, Clone)]
pub struct S3Blobs(Bucket);

impl S3Blobs {
    /// Blobs in this bucket.
    pub const fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }
}

fn failed(action: &'static str, key: &str, error: S3Error) -> BlobError {
    BlobError { action, key: key.to_owned(), source: error.into() }
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        self.0.put(key, content).await.map_err(|error| failed("store", key, error))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        self.0.get(key).await.map_err(|error| failed("read", key, error))
    }

    async fn link(
        &self,
        key: &str,
        now: Timestamp,
        valid_for: Duration,
    ) -> Result<Option<String>, BlobError> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.as_millis());
        let link = self.0.link(key, now, valid_for).await;
        link.map(Some).map_err(|error| failed("link to", key, error))
    }
}
