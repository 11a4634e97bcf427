//! Links to objects, which S3 would take for genuine.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use postrider_aws::Bucket;

use crate::client::{SECRET, bucket};
use crate::signature::verify_link;

const HOST: &str = "127.0.0.1:4566";

/// 2026-01-31T12:00:00Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800)
}

#[tokio::test]
async fn a_link_is_signed_for_its_object_and_its_time_only() {
    for key in ["payloads/acme/e:1/0a1b", "a b+c", "100%/%20", "with//two/../dots/.", "ünïcödé"] {
        let link = bucket(HOST).link(key, now(), Duration::from_secs(300)).await.unwrap();
        verify_link(&link, HOST, &format!("bucket/{key}"), "20260131T120000Z", 300);
        assert!(!link.contains(SECRET));
    }
}

#[tokio::test]
async fn without_credentials_there_is_no_link() {
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let error = Bucket::new(&config, "bucket").link("a", now(), Duration::from_secs(300)).await.unwrap_err();
    assert_eq!(error.to_string(), "S3 was not asked");
}
