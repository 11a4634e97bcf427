//! A bucket at an address, with time-outs and waits of a test's choice.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use postrider_aws::Bucket;

/// The credentials, those of AWS's own examples, and the region.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str = "an-example-of-a-session-token";
pub(crate) const REGION: &str = "eu-west-1";

/// Longer than any answer takes that comes at all.
const PATIENT: Duration = Duration::from_secs(60);

/// The bucket `bucket`, which waits for an answer for as long as it takes.
pub(crate) fn bucket(address: &str) -> Bucket {
    impatient(address, PATIENT, PATIENT)
}

/// The same with these limits of an attempt and of an operation.
pub(crate) fn impatient(address: &str, attempt: Duration, operation: Duration) -> Bucket {
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(operation).build();
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(2));
    let credentials = Credentials::new(ACCESS_KEY, SECRET, Some(TOKEN.to_owned()), None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .timeout_config(timeouts)
        .retry_config(retries)
        .build();
    let partition = RetryPartition::custom("tests").token_bucket(TokenBucket::unlimited()).build();
    Bucket::new(&config, "bucket").with_retry_partition(&partition)
}
