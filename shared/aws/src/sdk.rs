//! The SDK's clients, with time-outs and retries chosen rather than inherited.
//!
//! An HTTP function is given 15 s. An operation on a small item that is not over after 8 s will not be: what
//! is left serves to say so, and to let the caller try again. Three attempts of 2.5 s, and the waits between
//! them, fit into that. An attempt usually takes a few milliseconds, so 2.5 s mean that something is broken,
//! while the next attempt, on another connection, may find something that is not.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

use crate::s3::Bucket;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// How long one attempt of an operation may take, up to the last byte of the answer.
const ATTEMPT: Duration = Duration::from_millis(2_500);

/// How long an operation may take, with all its attempts.
const OPERATION: Duration = Duration::from_secs(8);

/// The same for S3, whose objects here have up to 5 MB: two attempts fit.
const BLOB_ATTEMPT: Duration = Duration::from_secs(5);
const BLOB_OPERATION: Duration = Duration::from_secs(11);

/// How often an operation is tried in all.
const ATTEMPTS: u32 = 3;

/// The wait before the second attempt after a throttled one is random below this, before the third one below
/// twice this. The SDK's own second would use up the operation's time.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// No wait between attempts is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Makes the clients. They share connections' settings and credentials; each is made once, at the start.
#[derive(Debug, Clone)]
pub struct Sdk(SdkConfig);

impl Sdk {
    /// Clients for a region and, instead of AWS's own, an endpoint. The credentials are those in the environment,
    /// where Lambda puts them: the other places that programs look in would be a third of a megabyte of every
    /// function.
    pub fn new(region: impl Into<String>, endpoint: Option<&str>) -> Self {
        let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.into()))
            .credentials_provider(credentials)
            .timeout_config(timeouts(ATTEMPT, OPERATION))
            .retry_config(retries());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Self(config.build())
    }

    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    /// A client of SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }

    /// A bucket of S3.
    pub fn bucket(&self, name: &str) -> Bucket {
        let timeouts = timeouts(BLOB_ATTEMPT, BLOB_OPERATION);
        Bucket::new(&self.0.to_builder().timeout_config(timeouts).build(), name)
    }

    /// A client of Secrets Manager.
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0)
    }
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_time_for_all_of_its_attempts() {
        let waits = FIRST_BACKOFF + FIRST_BACKOFF * 2;
        assert!(ATTEMPT * ATTEMPTS + waits <= OPERATION);
        assert!(BLOB_ATTEMPT * 2 + FIRST_BACKOFF <= BLOB_OPERATION);
    }
}
