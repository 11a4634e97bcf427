//! Endpoints that take nothing for a while, and the deliveries that wait for them.

use std::collections::HashSet;

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Endpoint, Receiver, Target, Tenant, eventually, pages};
use reqwest::Method;
use serde_json::{Value, json};

/// How many deliveries are parked: more than one portion of a release.
const PARKED: usize = 120;

/// How long a delivery waits for its second attempt: longer than a worker can take to learn that an endpoint was
/// turned off.
const WAIT_SECONDS: u32 = 12;

/// Turns an endpoint on or off.
async fn turn(tenant: &Tenant, endpoint: &Endpoint, how: &str) -> Value {
    let route = format!("/v1/endpoints/{}/{how}", endpoint.id);
    tenant.admin.call(Method::POST, &route, None).await.expect(200).json()
}

/// Publishes events and waits until their deliveries are parked. Answers the events' ids.
async fn park(tenant: &Tenant, endpoint: &Endpoint, count: usize) -> HashSet<String> {
    let mut ids = HashSet::new();
    for number in 0..count {
        ids.insert(tenant.publish(&json!({"type": "a.b", "data": number})).await);
    }
    let list = format!("/v1/deliveries?status=parked&endpoint_id={}", endpoint.id);
    eventually("all deliveries to be parked", async || {
        let parked = pages::all(&tenant.admin, &list, 100).await;
        let parked: HashSet<_> = pages::texts(&parked, "event_id").into_iter().collect();
        if parked == ids { Ok(()) } else { Err(format!("{} of {count}", parked.len())) }
    })
    .await;
    ids
}

/// Waits until every one of these events was delivered, and checks that nothing else arrived.
async fn assert_released(tenant: &Tenant, receiver: &Receiver, before: usize, ids: &HashSet<String>) {
    receiver.wait_for("/hook", before + ids.len()).await;
    eventually("all deliveries to be on record", async || {
        let open = pages::all(&tenant.admin, "/v1/deliveries?status=parked", 100).await;
        let waiting = pages::all(&tenant.admin, "/v1/deliveries?status=pending", 100).await;
        if open.is_empty() && waiting.is_empty() { Ok(()) } else { Err(format!("{open:?} {waiting:?}")) }
    })
    .await;
    let requests = receiver.requests("/hook");
    let arrived: HashSet<_> =
        requests[before..].iter().map(|request| request.webhook_id().to_owned()).collect();
    assert_eq!(&arrived, ids);
    assert_eq!(requests.len(), before + ids.len(), "something was delivered twice");
}

pub(crate) async fn a_receiver_that_is_gone_disables_its_endpoint(target: &Target) {
    let tenant = target.tenant("gone").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(410), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "failed").await;
    assert_eq!(delivery["attempts"][0]["outcome"], "gone");
    assert_eq!(tenant.dead_letter(&delivery).await["reason"], "gone");
    let disabled = tenant.admin.get(&format!("/v1/endpoints/{}", endpoint.id)).await.expect(200).json();
    assert_eq!(disabled["status"], "disabled");
    assert!(text(&disabled, "status_reason").contains("410"), "{disabled}");

    let ids = park(&tenant, &endpoint, PARKED).await;
    assert_eq!(receiver.count("/hook"), 1);
    let enabled = turn(&tenant, &endpoint, "enable").await;
    assert_eq!((&enabled["status"], &enabled["status_reason"]), (&json!("active"), &json!(null)));
    assert_released(&tenant, &receiver, 1, &ids).await;
}

pub(crate) async fn a_paused_endpoint_loses_nothing(target: &Target) {
    let tenant = target.tenant("pause").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(turn(&tenant, &endpoint, "pause").await["status"], "paused");
    let ids = park(&tenant, &endpoint, 20).await;
    for id in &ids {
        tenant.delivery(id, &other.id, "delivered").await;
    }
    let parked = tenant.delivery(ids.iter().next().unwrap(), &endpoint.id, "parked").await;
    assert!(text(&parked, "error").contains("paused"), "{parked}");
    assert_eq!((&parked["attempt_count"], &parked["next_attempt_at"]), (&json!(0), &json!(null)));
    assert_eq!(receiver.count("/hook"), 1);
    assert_eq!(turn(&tenant, &endpoint, "resume").await["status"], "active");
    assert_released(&tenant, &receiver, 1, &ids).await;
}

pub(crate) async fn a_disabled_endpoint_is_enabled_again(target: &Target) {
    let tenant = target.tenant("disable").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500), Answer::ok()]);
    let retry = json!({"strategy": "fixed", "initial_delay": WAIT_SECONDS, "max_attempts": 3, "jitter": 0});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"retry": retry})).await;
    // Between two attempts, too, nothing is lost, and what was spent stays spent.
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&id, &endpoint.id, "retrying").await;
    assert_eq!(turn(&tenant, &endpoint, "disable").await["status"], "disabled");
    let parked = tenant.delivery(&id, &endpoint.id, "parked").await;
    assert_eq!(parked["attempt_count"], 1);
    assert_eq!(turn(&tenant, &endpoint, "enable").await["status"], "active");
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(delivery["attempt_count"], 2);
    assert_eq!(receiver.count("/hook"), 2);
}
