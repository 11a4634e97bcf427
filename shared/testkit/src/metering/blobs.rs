//! The Blobs port, counted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_application::ports::{BlobError, Blobs};
use postrider_domain::Timestamp;

use super::Meter;

/// A store of blobs whose requests are counted.
pub struct MeteredBlobs {
    inner: Arc<dyn Blobs>,
    meter: Arc<Meter>,
}

impl MeteredBlobs {
    /// This store, counted by this meter.
    pub fn new(inner: Arc<dyn Blobs>, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

#[async_trait]
impl Blobs for MeteredBlobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        self.meter.count_blobs(|bill| bill.puts += 1);
        self.inner.put(key, content).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        self.meter.count_blobs(|bill| bill.gets += 1);
        self.inner.get(key).await
    }

    async fn link(
        &self,
        key: &str,
        now: Timestamp,
        valid_for: Duration,
    ) -> Result<Option<String>, BlobError> {
        self.inner.link(key, now, valid_for).await
    }
}
