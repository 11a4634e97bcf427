//! Objects of one bucket: two operations on the runtime, the signer and the connections of the SDK's other
//! clients.
//!
//! The SDK's own client of S3 would be a sixth of a function, most of it for operations and checksums that
//! nobody here uses.

mod address;
mod answer;
mod error;
mod link;
mod plugins;
mod request;

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator;
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugins;
use bytes::Bytes;

use answer::Content;
pub use error::{Refusal, S3Error};
use link::Links;
use request::Request;

/// The objects of one bucket.
///
/// A request is signed with the digest of what it carries, and S3 checks that digest, too, before it stores an
/// object. It keeps the digest beside the object, and what is read is checked against it. Attempts, waits and
/// time-outs are those of the configuration; an attempt lasts until the last byte of the answer.
#[derive(Debug, Clone)]
pub struct Bucket {
    put: RuntimePlugins,
    get: RuntimePlugins,
    links: Links,
}

impl Bucket {
    /// The bucket of this name. Emulators have no host for each bucket, so that another endpoint than AWS's own
    /// is asked with the bucket in the path.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let shared = plugins::of_client(config, name);
        Self {
            put: shared.clone().with_operation_plugin(plugins::of_operation(Content::Unchecked)),
            get: shared.with_operation_plugin(plugins::of_operation(Content::Checked)),
            links: Links::of(config, name),
        }
    }

    /// The same with the retries counted together with those of others, or without a limit of their number.
    #[must_use]
    pub fn with_retry_partition(self, partition: &RetryPartition) -> Self {
        let counted =
            |plugins: RuntimePlugins| plugins.with_operation_plugin(plugins::retrying_in(partition.clone()));
        Self { put: counted(self.put), get: counted(self.get), links: self.links }
    }

    /// Stores an object, in place of what was under its key before.
    ///
    /// # Errors
    /// When S3 refused, or did not answer in time.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<(), S3Error> {
        invoke(&self.put, "PutObject", Request::put(key, content)).await.map(|_| ())
    }

    /// Reads an object; `None` when there is none.
    ///
    /// # Errors
    /// When S3 refused, or did not answer in time, or the content is not what was stored.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, S3Error> {
        match invoke(&self.get, "GetObject", Request::get(key)).await {
            Ok(content) => Ok(Some(content)),
            Err(S3Error::Refused(refusal)) if refusal.is_no_such_key() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A link at which anybody can read an object as JSON from `now` on for `valid_for`. S3 is not asked for it.
    ///
    /// # Errors
    /// When there are no credentials to sign it with.
    pub async fn link(&self, key: &str, now: SystemTime, valid_for: Duration) -> Result<String, S3Error> {
        self.links.link(key, now, valid_for).await
    }
}

async fn invoke(plugins: &RuntimePlugins, operation: &str, request: Request) -> Result<Bytes, S3Error> {
    let answer = orchestrator::invoke("S3", operation, Input::erase(request), plugins).await;
    answer::content_of(answer.map_err(S3Error::from)?)
}
