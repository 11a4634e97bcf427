//! The Blobs port on S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use postrider_application::ports::{BlobError, Blobs};

/// How long the content of an object may take to arrive: 5 MB at 1 MB/s.
const READ: Duration = Duration::from_secs(5);

/// Blobs as objects of one bucket, under their keys.
///
/// Whoever reads needs `s3:ListBucket`, too: without it, S3 answers 403 for an object that does not exist.
#[derive(Debug, Clone)]
pub struct S3Blobs {
    client: Client,
    bucket: String,
}

impl S3Blobs {
    /// Blobs in this bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }
}

fn failed(
    action: &'static str,
    key: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BlobError {
    BlobError { action, key: key.to_owned(), source: error.into() }
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        let sent = request.body(ByteStream::from(content)).send().await;
        sent.map(|_| ()).map_err(|error| failed("store", key, error))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => {
                // The SDK checks the content against its checksum, and its length, while it reads. Its own
                // time-outs end where the content begins.
                let content = tokio::time::timeout(READ, object.body.collect()).await;
                let content = content.map_err(|error| failed("read", key, error))?;
                Ok(Some(content.map_err(|error| failed("read", key, error))?.into_bytes()))
            }
            Err(SdkError::ServiceError(answer)) if matches!(answer.err(), GetObjectError::NoSuchKey(_)) => {
                Ok(None)
            }
            Err(error) => Err(failed("read", key, error)),
        }
    }
}
