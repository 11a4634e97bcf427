//! `/v1/deliveries`: with their attempts, and tried again.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::fixture::Api;

#[tokio::test]
async fn a_delivery_tells_what_was_sent_and_answered() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let event = api.publish(json!({"event_id": "e1", "type": "a.b", "data": 1})).await;
    api.run().await;
    let list = api.get(&api.acme.viewer, "/v1/deliveries").await.expect(200);
    let summary = list["items"][0].clone();
    let expected = json!({
        "id": summary["id"], "event_id": event, "event_type": "a.b", "endpoint_id": endpoint,
        "channel": "webhook", "status": "delivered", "attempt_count": 1, "max_attempts": 5,
        "next_attempt_at": null, "created_at": summary["created_at"], "delivered_at": summary["delivered_at"],
        "response_status": 200, "error": null,
    });
    assert_eq!(summary, expected);
    let path = format!("/v1/deliveries/{}", summary["id"].as_str().unwrap());
    let mut shown = api.get(&api.acme.viewer, &path).await.expect(200);
    let attempts = shown.as_object_mut().unwrap().remove("attempts").unwrap();
    assert_eq!(shown.as_object_mut().unwrap().remove("dead_letter_id"), Some(Value::Null));
    assert_eq!(shown, summary);
    let attempt = &attempts[0];
    let mut names: Vec<_> = attempt.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "duration_ms",
        "error",
        "number",
        "outcome",
        "request",
        "response_body",
        "response_body_truncated",
        "response_headers",
        "response_status",
        "started_at",
    ];
    assert_eq!(names, expected);
    assert_eq!((&attempt["number"], &attempt["outcome"]), (&json!(1), &json!("delivered")));
    assert_eq!(attempt["request"]["method"], "POST");
    assert_eq!(attempt["request"]["url"], "https://example.com/hook");
    assert_eq!(attempt["request"]["headers"]["webhook-id"], "e1");
    assert_eq!(attempt["response_body"], "seen");
    assert_eq!(attempt["response_headers"], json!({"x-part": "1, 2"}));
    assert_eq!(attempt["response_body_truncated"], false);
}

#[tokio::test]
async fn a_delivery_that_failed_is_tried_again_by_request_with_a_new_budget() {
    let api = Api::new().await;
    let [_, _, delivery, letter] = api.failed_delivery().await;
    let path = format!("/v1/deliveries/{delivery}");
    let failed = api.get(&api.acme.viewer, &path).await.expect(200);
    assert_eq!((&failed["status"], &failed["response_status"]), (&json!("failed"), &json!(404)));
    let retried = api.post(&api.acme.admin, &format!("{path}/retry"), json!({})).await.expect(202);
    assert_eq!((&retried["id"], &retried["status"]), (&json!(delivery), &json!("pending")));
    assert!(retried["next_attempt_at"].is_string());
    api.run().await;
    let shown = api.get(&api.acme.viewer, &path).await.expect(200);
    assert_eq!((&shown["status"], &shown["attempt_count"]), (&json!("delivered"), &json!(2)));
    let letters = api.get(&api.acme.viewer, "/v1/dead-letters").await.expect(200);
    assert_eq!(letters["items"][0]["id"], letter.as_str());
    assert_eq!(letters["items"][0]["state"], "redriven");
}

#[tokio::test]
async fn a_delivery_without_its_endpoint_cannot_be_tried_again() {
    let api = Api::new().await;
    let [endpoint, _, delivery, _] = api.failed_delivery().await;
    api.delete(&api.acme.admin, &format!("/v1/endpoints/{endpoint}")).await.expect(204);
    let path = format!("/v1/deliveries/{delivery}/retry");
    let refused = api.post(&api.acme.admin, &path, json!({})).await.expect(409);
    assert_eq!(refused["detail"], "the delivery's endpoint was deleted");
}

#[tokio::test]
async fn deliveries_are_found_by_what_they_are() {
    let api = Api::new().await;
    let [failing, event, delivery, _] = api.failed_delivery().await;
    let fine = api.endpoint(json!({"subscriptions": [{"event_type": "c.d"}]})).await;
    let second = api.publish(json!({"type": "c.d", "data": 1})).await;
    api.run().await;
    let count = async |query: String| {
        let list = api.get(&api.acme.viewer, &format!("/v1/deliveries?{query}")).await.expect(200);
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count(String::new()).await, 3);
    assert_eq!(count(format!("endpoint_id={failing}")).await, 2);
    assert_eq!(count(format!("endpoint_id={fine}")).await, 1);
    assert_eq!(count("status=failed".into()).await, 1);
    assert_eq!(count("status=delivered".into()).await, 2);
    assert_eq!(count("event_type=c.d".into()).await, 2);
    assert_eq!(count(format!("event_id={second}")).await, 2);
    assert_eq!(count(format!("event_id={event}&status=delivered")).await, 0);
    assert_eq!(count("event_id=unknown".into()).await, 0);
    let shown = api.get(&api.acme.viewer, &format!("/v1/events/{second}")).await.expect(200);
    let at = shown["accepted_at"].as_str().unwrap();
    assert_eq!(count(format!("since={at}")).await, 2);
    assert_eq!(count(format!("until={at}")).await, 1);
    assert_eq!(count(format!("since={at}&until={at}")).await, 0);
    let of_endpoint = format!("/v1/endpoints/{failing}/deliveries?status=failed");
    let list = api.get(&api.acme.viewer, &of_endpoint).await.expect(200);
    assert_eq!(list["items"][0]["id"], delivery.as_str());
    let twice = format!("/v1/endpoints/{failing}/deliveries?endpoint_id={failing}");
    assert_eq!(api.get(&api.acme.viewer, &twice).await.fields(400), ["endpoint_id"]);
}

#[tokio::test]
async fn a_retry_that_cannot_be_sent_is_our_trouble() {
    let api = Api::new().await;
    let [_, _, delivery, _] = api.failed_delivery().await;
    api.queue.fails.store(true, Ordering::SeqCst);
    api.post(&api.acme.admin, &format!("/v1/deliveries/{delivery}/retry"), json!({})).await.expect(503);
}
