//! `/v1/events/batch`: each event by itself.

use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::Call;
use crate::fixture::Api;

#[tokio::test]
async fn a_bad_event_rejects_only_itself() {
    let api = Api::new().await;
    api.publish(json!({"event_id": "taken", "type": "a", "data": 1})).await;
    let events = json!([
        {"event_id": "one", "type": "a", "data": 1},
        {"type": "a", "data": 1, "prio": 1},
        {"type": "a..b", "data": 1},
        5,
        {"event_id": "taken", "type": "a", "data": 2},
        {"event_id": "taken", "type": "a", "data": 1},
        {"type": 5, "data": 1},
        {"type": "a", "data": "x".repeat(4_999_999)},
        {"type": "a", "data": {"last": true}},
    ]);
    let answer =
        api.post(&api.acme.publisher, "/v1/events/batch", json!({"events": events})).await.expect(200);
    let items = answer["items"].as_array().unwrap();
    let accepted = json!({"index": 0, "status": "accepted", "event_id": "one", "duplicate": false,
        "accepted_at": items[0]["accepted_at"]});
    assert_eq!(items[0], accepted);
    let summary: Vec<_> = items
        .iter()
        .map(|item| {
            let field = &item["problem"]["errors"][0]["field"];
            (
                item["index"].as_u64().unwrap(),
                item["problem"]["status"].as_u64(),
                field.as_str().unwrap_or("-"),
            )
        })
        .collect();
    let expected = [
        (0, None, "-"),
        (1, Some(400), "prio"),
        (2, Some(422), "type"),
        (3, Some(400), "-"),
        (4, Some(409), "event_id"),
        (5, None, "-"),
        (6, Some(400), "type"),
        (7, Some(413), "data"),
        (8, None, "-"),
    ];
    assert_eq!(summary, expected);
    assert_eq!(items[5]["duplicate"], true);
    assert_eq!(items[7]["problem"]["limit_bytes"], 5_000_000);
    assert!(
        items
            .iter()
            .all(|item| item["status"] == if item["problem"].is_null() { "accepted" } else { "rejected" })
    );
}

#[tokio::test]
async fn data_in_a_batch_is_kept_byte_for_byte() {
    let api = Api::new().await;
    let body = r#"{ "events" : [ {"event_id":"e","type":"a","data": { "x" : 1.0 } } ] }"#;
    let call = Call::new(Method::POST, "/v1/events/batch").key(&api.acme.publisher).text(body);
    api.send(call).await.expect(200);
    let shown = api.get(&api.acme.viewer, "/v1/events/e").await;
    assert!(std::str::from_utf8(&shown.body).unwrap().contains(r#""data":{ "x" : 1.0 },"#));
}

#[tokio::test]
async fn a_batch_has_1_to_100_events() {
    let api = Api::new().await;
    let batch = async |events: Value| {
        api.post(&api.acme.publisher, "/v1/events/batch", json!({"events": events})).await
    };
    let event = json!({"type": "a", "data": 1});
    assert_eq!(batch(json!([])).await.fields(422), ["events"]);
    assert_eq!(batch(json!(vec![&event; 101])).await.fields(422), ["events"]);
    assert_eq!(batch(json!(null)).await.fields(422), ["events"]);
    assert_eq!(batch(json!({})).await.fields(400), ["events"]);
    let all = batch(json!(vec![&event; 100])).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 100);
    let extra = api.post(&api.acme.publisher, "/v1/events/batch", json!({"events": [], "x": 1})).await;
    assert_eq!(extra.fields(400), ["x"]);
}

#[tokio::test]
async fn a_batch_is_larger_than_an_event_and_limited() {
    let api = Api::new().await;
    let events =
        |count: usize| json!({"events": vec![json!({"type": "a", "data": "x".repeat(1_000_000)}); count]});
    api.post(&api.acme.publisher, "/v1/events/batch", events(5)).await.expect(200);
    let refused = api.post(&api.acme.publisher, "/v1/events/batch", events(6)).await.expect(413);
    assert_eq!(refused["limit_bytes"], 5 * 1024 * 1024);
}

#[tokio::test]
async fn events_that_cannot_be_stored_are_rejected_by_themselves() {
    let api = Api::new().await;
    let events = json!({"events": [{"type": "a", "data": 1}, {"type": "a..", "data": 1}]});
    api.queue.fails.store(true, Ordering::SeqCst);
    let answer = api.post(&api.acme.publisher, "/v1/events/batch", events).await.expect(200);
    assert_eq!(answer["items"][0]["problem"]["status"], 503);
    assert_eq!(answer["items"][1]["problem"]["status"], 422);
}

#[tokio::test]
async fn a_tenant_that_publishes_much_waits_for_itself_and_nobody_waits_for_it() {
    let api = Api::new().await;
    let events = json!({"events": vec![json!({"type": "a", "data": 1}); 100]});
    let held = api.queue.gate.write().await;
    let flood = futures::future::join_all((0..3).map(|_| async {
        let answer = api.post(&api.acme.publisher, "/v1/events/batch", events.clone()).await.expect(200);
        assert_eq!(answer["items"].as_array().unwrap().len(), 100);
    }));
    // What is ready is polled before this goes on.
    let settled = async || {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        api.queue.begun.load(Ordering::SeqCst)
    };
    let quiet = async {
        assert_eq!(settled().await, 100, "one request of the flood");
        let one = async || {
            api.post(&api.other.publisher, "/v1/events", json!({"type": "a", "data": 1})).await.expect(202)
        };
        let release = async {
            assert_eq!(settled().await, 103, "and all of another tenant's");
            drop(held);
        };
        futures::join!(one(), one(), one(), release);
    };
    futures::join!(flood, quiet);
    assert_eq!(settled().await, 303);
}
