//! Ordered endpoints: one delivery after the other, in the order in which the events were accepted.

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Receiver, Target, Tenant};
use serde_json::{Value, json};

/// A policy that waits for a short time, and an order.
fn ordered() -> Value {
    let retry = json!({"strategy": "fixed", "initial_delay": 0.5, "max_attempts": 5, "jitter": 0});
    json!({"ordered": true, "retry": retry})
}

/// Publishes a batch of events. Answers their ids.
async fn publish(tenant: &Tenant, count: usize) -> Vec<String> {
    let events: Vec<_> = (0..count).map(|n| json!({"type": "a.b", "data": n})).collect();
    let accepted = tenant.admin.post("/v1/events/batch", &json!({"events": events})).await.expect(200).json();
    let items = accepted["items"].as_array().unwrap();
    items.iter().map(|item| text(item, "event_id").to_owned()).collect()
}

/// The events that a receiver got, those that came again at once named once.
async fn received(receiver: &Receiver, path: &str, requests: usize) -> Vec<String> {
    let requests = receiver.wait_for(path, requests).await;
    let mut ids: Vec<String> =
        requests.iter().map(|request| request.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    ids.dedup();
    ids
}

pub(crate) async fn an_ordered_endpoint_gets_one_after_the_other(target: &Target) {
    let tenant = target.tenant("ordered").await;
    let receiver = Receiver::start().await;
    let answers = [Answer::ok(), Answer::ok(), Answer::status(500), Answer::status(503), Answer::ok()];
    receiver.answer("/hook", answers);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), ordered()).await;
    assert_eq!(endpoint.created["ordered"], true);
    assert_eq!(endpoint.created["max_blocked_seconds"], 3600);
    let mut ids = publish(&tenant, 20).await;
    ids.extend(publish(&tenant, 10).await);
    // The third one is tried three times, and all others wait for it.
    assert_eq!(received(&receiver, "/hook", 32).await, ids);
    let third = tenant.delivery(&ids[2], &endpoint.id, "delivered").await;
    assert_eq!(third["attempt_count"], 3);
    tenant.delivery(&ids[29], &endpoint.id, "delivered").await;
    assert_eq!(receiver.count("/hook"), 32);
}

pub(crate) async fn what_an_ordered_endpoint_missed_comes_first(target: &Target) {
    let tenant = target.tenant("ordered-paused").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), ordered()).await;
    let path = format!("/v1/endpoints/{}", endpoint.id);
    tenant.admin.post(&format!("{path}/pause"), &json!({})).await.expect(200);
    let mut ids = publish(&tenant, 5).await;
    for id in &ids {
        tenant.delivery(id, &endpoint.id, "parked").await;
    }
    tenant.admin.post(&format!("{path}/resume"), &json!({})).await.expect(200);
    ids.extend(publish(&tenant, 5).await);
    assert_eq!(received(&receiver, "/hook", 10).await, ids);
}

pub(crate) async fn an_endpoint_is_ordered_for_as_long_as_somebody_wants(target: &Target) {
    let tenant = target.tenant("ordered-off").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), ordered()).await;
    let path = format!("/v1/endpoints/{}", endpoint.id);
    let changed = tenant.admin.patch(&path, &json!({"max_blocked_seconds": 60})).await.expect(200).json();
    assert_eq!((&changed["ordered"], &changed["max_blocked_seconds"]), (&json!(true), &json!(60)));
    let changed = tenant.admin.patch(&path, &json!({"ordered": false})).await.expect(200).json();
    assert_eq!((&changed["ordered"], &changed["max_blocked_seconds"]), (&json!(false), &Value::Null));
    let refused = tenant.admin.patch(&path, &json!({"max_blocked_seconds": 60})).await;
    assert_eq!(refused.problem(422, "validation")["errors"][0]["field"], "max_blocked_seconds");
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&id, &endpoint.id, "delivered").await;
}
