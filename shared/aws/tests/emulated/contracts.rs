//! Every port keeps its contract on the AWS SDK.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::header::HOST;
use postrider_application::ports::{Blobs as _, Clock as _};
use postrider_application::system::SystemClock;
use postrider_aws::{S3Blobs, Sdk};
use postrider_testkit::contracts::blobs::{blobs_contract, largest_content};
use postrider_testkit::contracts::queue::queue_contract;
use postrider_testkit::contracts::table::table_contract;
use postrider_testkit::contracts::vault::vault_contract;

use crate::deployment::{Deployment, PLATFORM};
use crate::emulator;
use crate::proxy;
use crate::settings::variable;

#[tokio::test]
async fn the_table_keeps_its_contract() {
    let deployment = Deployment::create().await;
    table_contract(&deployment.table(&deployment.direct)).await;
}

#[tokio::test]
async fn the_queues_keep_their_contract() {
    let deployment = Deployment::create().await;
    queue_contract(&deployment.queues(&deployment.direct), &deployment).await;
}

#[tokio::test]
async fn the_blobs_keep_their_contract() {
    let deployment = Deployment::create().await;
    blobs_contract(&deployment.blobs(&deployment.direct)).await;
}

#[tokio::test]
async fn a_link_to_a_blob_needs_no_credentials() {
    let deployment = Deployment::create().await;
    let blobs = deployment.blobs(&deployment.direct);
    let content = largest_content();
    blobs.put("payloads/acme/e:1/large", content.clone()).await.unwrap();
    let minutes = Duration::from_secs(300);
    let link = blobs.link("payloads/acme/e:1/large", SystemClock.now(), minutes).await.unwrap().unwrap();
    let target = link.strip_prefix(&format!("http://{}", emulator::address())).unwrap();
    let request = Request::get(target).header(HOST, emulator::address()).body(Full::default()).unwrap();
    let answer = proxy::forward(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(answer.into_body().collect().await.unwrap().to_bytes() == content);
}

#[tokio::test]
async fn the_vault_keeps_its_contract() {
    let deployment = Deployment::create().await;
    let clock = Arc::new(SystemClock);
    vault_contract(&deployment.vault(&deployment.direct, clock.clone()), Some(PLATFORM)).await;
    let mut without = deployment.clone();
    without.secrets.platform = None;
    vault_contract(&without.vault(&deployment.direct, clock), None).await;
}

/// In a process of its own, because its environment is the matter.
#[tokio::test]
async fn the_standard_variables_name_the_endpoint() {
    let deployment = Deployment::create().await;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "contracts::with_the_environment_of_a_function", "--ignored", "--nocapture"])
        .env("AWS_ENDPOINT_URL", format!("http://{}", emulator::address()))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("TEST_BUCKET", &deployment.bucket)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("1 passed"), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let blobs = deployment.blobs(&deployment.direct);
    assert_eq!(blobs.get("from/another/process").await.unwrap().unwrap(), "content");
}

#[tokio::test]
#[ignore = "the test before this one runs it with an environment"]
async fn with_the_environment_of_a_function() {
    let endpoint = variable("AWS_ENDPOINT_URL");
    let sdk = Sdk::new(variable("AWS_REGION").unwrap(), endpoint.as_deref());
    let tables = sdk.dynamodb().list_tables().send().await.unwrap().table_names.unwrap();
    assert!(!tables.is_empty());
    assert!(!sdk.sqs().list_queues().send().await.unwrap().queue_urls.unwrap().is_empty());
    assert!(!sdk.secrets_manager().list_secrets().send().await.unwrap().secret_list.unwrap().is_empty());
    let blobs = S3Blobs::new(sdk.bucket(&variable("TEST_BUCKET").unwrap()));
    blobs.put("from/another/process", "content".into()).await.unwrap();
}
