//! Receivers that do not work: left alone, tried again, and told of to others.

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Endpoint, Receiver, Target, Tenant, eventually};
use serde_json::{Value, json};

/// Waits for the state of an endpoint's circuit. Answers its health.
async fn state(tenant: &Tenant, endpoint: &Endpoint, state: &str) -> Value {
    let path = format!("/v1/endpoints/{}/health", endpoint.id);
    eventually(&format!("the circuit to be {state}"), async || {
        let health = tenant.admin.get(&path).await.expect(200).json();
        if health["state"] == state { Ok(health) } else { Err(health.to_string()) }
    })
    .await
}

async fn parked(tenant: &Tenant, endpoint: &Endpoint, count: u64) -> Value {
    let path = format!("/v1/endpoints/{}/parked", endpoint.id);
    eventually(&format!("{count} parked deliveries"), async || {
        let parked = tenant.admin.get(&path).await.expect(200).json();
        if parked["parked"] == count { Ok(parked) } else { Err(parked.to_string()) }
    })
    .await
}

async fn post(tenant: &Tenant, endpoint: &Endpoint, what: &str, body: Value) -> Value {
    let path = format!("/v1/endpoints/{}/{what}", endpoint.id);
    tenant.admin.post(&path, &body).await.json()
}

pub(crate) async fn a_receiver_that_only_fails_is_left_alone(target: &Target) {
    let tenant = target.tenant("circuit").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(503)]);
    let once = json!({"retry": {"strategy": "fixed", "initial_delay": 600, "max_attempts": 2}});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), once).await;
    // One after the other: of failures at the same moment in several instances one may not be counted.
    for number in 0..10 {
        let event = tenant.publish(&json!({"type": "a.b", "data": number})).await;
        tenant.delivery(&event, &endpoint.id, "retrying").await;
    }
    let health = state(&tenant, &endpoint, "open").await;
    assert_eq!(health["consecutive_failures"], 10, "{health}");
    assert!(text(&health, "next_probe_at") > text(&health, "opened_at"), "{health}");
    // Circuit and attempts are read one beside the other: those that led there are on record when it is open.
    let health = state(&tenant, &endpoint, "open").await;
    assert_eq!((&health["success_rate"], &health["sample"]), (&json!(0.0), &json!(10)), "{health}");
    let mut events = Vec::new();
    for number in 0..5 {
        events.push(tenant.publish(&json!({"type": "a.b", "data": number})).await);
    }
    let waiting = parked(&tenant, &endpoint, 5).await;
    assert_eq!(waiting["drain"]["state"], "idle", "{waiting}");
    let delivery = tenant.delivery(&events[0], &endpoint.id, "parked").await;
    assert!(text(&delivery, "error").contains("circuit is open until"), "{delivery}");
    assert_eq!(delivery["attempt_count"], 0);
    assert_eq!(receiver.count("/hook"), 10, "nothing was sent meanwhile");

    receiver.answer("/hook", [Answer::ok()]);
    assert_eq!(post(&tenant, &endpoint, "circuit", json!({"state": "closed"})).await["state"], "closed");
    for event in &events {
        tenant.delivery(event, &endpoint.id, "delivered").await;
    }
    let drained = parked(&tenant, &endpoint, 0).await;
    assert_eq!(drained["drain"]["released"], 5, "{drained}");
}

pub(crate) async fn a_circuit_that_was_opened_for_a_time_tries_again_by_itself(target: &Target) {
    let tenant = target.tenant("probe").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let opened = post(&tenant, &endpoint, "circuit", json!({"state": "open", "seconds": 2})).await;
    assert_eq!(opened["state"], "open", "{opened}");
    let mut events = Vec::new();
    for number in 0..8 {
        events.push(tenant.publish(&json!({"type": "a.b", "data": number})).await);
    }
    for event in &events {
        tenant.delivery(event, &endpoint.id, "delivered").await;
    }
    state(&tenant, &endpoint, "closed").await;
    assert_eq!(receiver.count("/hook"), 8);
}

pub(crate) async fn parked_deliveries_are_skipped_or_kept(target: &Target) {
    let tenant = target.tenant("choice").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    post(&tenant, &endpoint, "pause", json!({})).await;
    let kept = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    parked(&tenant, &endpoint, 1).await;
    let refused = post(&tenant, &endpoint, "parked", json!({"parked": "drain"})).await;
    assert_eq!(refused["status"], 409, "{refused}");
    post(&tenant, &endpoint, "resume", json!({"parked": "keep"})).await;
    let direct = tenant.publish(&json!({"type": "a.b", "data": 2})).await;
    tenant.delivery(&direct, &endpoint.id, "delivered").await;
    tenant.delivery(&kept, &endpoint.id, "parked").await;
    post(&tenant, &endpoint, "parked", json!({"parked": "skip"})).await;
    let skipped = tenant.delivery(&kept, &endpoint.id, "cancelled").await;
    assert!(text(&skipped, "error").contains("skipped by"), "{skipped}");
    assert_eq!(receiver.count("/hook"), 1);
}

pub(crate) async fn others_are_told_what_happens_to_an_endpoint(target: &Target) {
    let tenant = target.tenant("told").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"name": "warehouse"})).await;
    let own = json!({"subscriptions": [{"event_type": "postrider.*"}]});
    tenant.endpoint(&receiver.url("/told"), own).await;
    post(&tenant, &endpoint, "disable", json!({})).await;
    let told = receiver.wait_for("/told", 1).await.remove(0);
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(body["type"], "postrider.endpoint.disabled", "{body}");
    assert_eq!(body["data"]["endpoint_id"], endpoint.id.as_str(), "{body}");
    assert_eq!(body["data"]["endpoint_name"], "warehouse", "{body}");
    assert_eq!(receiver.count("/hook"), 0);
    let event = json!({"type": "postrider.endpoint.disabled", "data": 1});
    let refused = tenant.admin.post("/v1/events", &event).await.expect(422).json();
    assert_eq!(refused["errors"][0]["field"], "type", "{refused}");
}
