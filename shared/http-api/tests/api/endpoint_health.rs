//! `/v1/endpoints/{id}/health`, `/parked`, `/circuit`, and what becomes of parked deliveries.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::fixture::Api;

async fn post(api: &Api, endpoint: &str, what: &str, body: Value) -> crate::call::Answer {
    api.post(&api.acme.admin, &format!("/v1/endpoints/{endpoint}/{what}"), body).await
}

#[tokio::test]
async fn an_endpoint_that_was_never_used_is_healthy() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let health = api.get(&api.acme.viewer, &format!("/v1/endpoints/{endpoint}/health")).await.expect(200);
    let expected = json!({"state": "closed", "consecutive_failures": 0, "opened_at": null, "opened_by": null,
        "next_probe_at": null, "failing_since": null, "last_error": null, "last_success_at": null,
        "last_failure_at": null, "average_duration_ms": null, "success_rate": null, "sample": 0});
    assert_eq!(health, expected);
    let parked = api.get(&api.acme.viewer, &format!("/v1/endpoints/{endpoint}/parked")).await.expect(200);
    let drain = json!({"state": "idle", "released": 0, "started_at": null, "finished_at": null});
    assert_eq!(parked, json!({"parked": 0, "at_least": false, "oldest_at": null, "drain": drain}));
}

#[tokio::test]
async fn health_tells_of_the_latest_attempts() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    api.receiver.status.store(404, Ordering::SeqCst);
    api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    let health = api.get(&api.acme.viewer, &format!("/v1/endpoints/{endpoint}/health")).await.expect(200);
    assert_eq!((&health["sample"], &health["success_rate"]), (&json!(2), &json!(0.5)));
    assert!(health["last_success_at"].is_string() && health["average_duration_ms"].is_u64(), "{health}");
}

#[tokio::test]
async fn a_circuit_is_opened_and_closed_by_hand() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let opened = post(&api, &endpoint, "circuit", json!({"state": "open"})).await.expect(200);
    assert_eq!((&opened["state"], &opened["next_probe_at"]), (&json!("open"), &json!(null)));
    assert!(opened["opened_by"].as_str().unwrap().starts_with("key_"), "{opened}");
    api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    let parked = api.get(&api.acme.viewer, &format!("/v1/endpoints/{endpoint}/parked")).await.expect(200);
    assert_eq!(parked["parked"], 1);
    assert_eq!(
        post(&api, &endpoint, "circuit", json!({"state": "closed"})).await.expect(200)["state"],
        "closed"
    );
    api.run().await;
    assert_eq!(api.receiver.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let cases = [
        ("circuit", json!({}), 422, "state"),
        ("circuit", json!({"state": "half_open"}), 422, "state"),
        ("circuit", json!({"state": "open", "seconds": 0}), 422, "seconds"),
        ("circuit", json!({"state": "open", "seconds": 1e9}), 422, "seconds"),
        ("circuit", json!({"state": "closed", "seconds": 5}), 422, "seconds"),
        ("circuit", json!({"state": "open", "x": 5}), 400, "x"),
        ("parked", json!({}), 422, "parked"),
        ("parked", json!({"parked": "burn"}), 422, "parked"),
        ("resume", json!({"parked": "burn"}), 422, "parked"),
        ("enable", json!({"parked": 5}), 400, "parked"),
    ];
    for (what, body, status, field) in cases {
        assert_eq!(post(&api, &endpoint, what, body.clone()).await.fields(status), [field], "{what} {body}");
    }
    post(&api, &endpoint, "pause", json!({})).await.expect(200);
    post(&api, &endpoint, "parked", json!({"parked": "drain"})).await.expect(409);
    assert_eq!(
        post(&api, &endpoint, "parked", json!({"parked": "skip"})).await.expect(202),
        json!({"parked": "skip"})
    );
    post(&api, &endpoint, "resume", json!({"parked": "keep"})).await.expect(200);
}

#[tokio::test]
async fn types_of_postriders_own_are_refused() {
    let api = Api::new().await;
    let event = json!({"type": "postrider.endpoint.disabled", "data": 1});
    assert_eq!(api.post(&api.acme.publisher, "/v1/events", event.clone()).await.fields(422), ["type"]);
    let batch = api.post(&api.acme.publisher, "/v1/events/batch", json!({"events": [event.clone()]})).await;
    assert_eq!(batch.expect(200)["items"][0]["problem"]["errors"][0]["field"], "type");
    let endpoint = api.endpoint(json!({})).await;
    post(&api, &endpoint, "test", event).await.expect(202);
}
