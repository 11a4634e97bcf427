//! `/v1/events`: publishing one event, and looking it up.

use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::fixture::Api;

const MAX_DATA_BYTES: usize = 5_000_000;

async fn publish_text(api: &Api, body: impl Into<bytes::Bytes>) -> Answer {
    api.send(Call::new(Method::POST, "/v1/events").key(&api.acme.publisher).text(body)).await
}

#[tokio::test]
async fn an_event_is_accepted_once_under_its_id() {
    let api = Api::new().await;
    let event = json!({"event_id": "order:1", "type": "order.paid", "data": {"amount": 1}, "tags": ["a"],
        "occurred_at": "2026-01-31T13:00:00.5+01:00", "source": "shop", "correlation_id": "c"});
    let first = api.post(&api.acme.publisher, "/v1/events", event.clone()).await.expect(202);
    let accepted_at = first["accepted_at"].clone();
    assert_eq!(
        first,
        json!({"event_id": "order:1", "status": "accepted", "duplicate": false, "accepted_at": accepted_at})
    );
    assert!(accepted_at.as_str().unwrap().starts_with("2026-01-31T12:00:00."));
    let again = api.post(&api.acme.publisher, "/v1/events", event.clone()).await.expect(200);
    assert_eq!(
        again,
        json!({"event_id": "order:1", "status": "accepted", "duplicate": true, "accepted_at": accepted_at})
    );
    let other = json!({"event_id": "order:1", "type": "order.paid", "data": {"amount": 2}});
    let conflict = api.post(&api.acme.publisher, "/v1/events", other.clone()).await;
    assert_eq!(conflict.expect(409)["type"], "/problems/conflict");
    api.post(&api.other.publisher, "/v1/events", other).await.expect(202);

    let shown = api.get(&api.acme.viewer, "/v1/events/order:1").await.expect(200);
    let expected = json!({"id": "order:1", "type": "order.paid", "accepted_at": accepted_at,
        "occurred_at": "2026-01-31T12:00:00.500Z", "source": "shop", "correlation_id": "c", "tags": ["a"],
        "deliver_at": null, "priority": 5, "status": "accepted",
        "data_bytes": 12, "data_url": "/v1/events/order:1/data", "data": {"amount": 1}, "endpoints": []});
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn an_event_without_an_id_gets_one() {
    let api = Api::new().await;
    let id = api.publish(json!({"type": "a", "data": null})).await;
    assert!(id.starts_with("evt_"));
    let shown = api.get(&api.acme.viewer, &format!("/v1/events/{id}")).await.expect(200);
    assert_eq!((&shown["data"], &shown["tags"], &shown["source"]), (&json!(null), &json!([]), &json!(null)));
}

#[tokio::test]
async fn data_is_kept_byte_for_byte() {
    let api = Api::new().await;
    let large = format!("[{}1]", " 1.50 ,".repeat(20_000));
    let texts = [
        "null",
        "0.10e+02",
        r#""\u00e9\/\ud83d\ude00 é 😀 \ud800 ￿""#,
        r#"{ "b" : 1 , "a":1.0,"a":2,
   "z":[ ] }"#,
        "123456789012345678901234567890.000",
        &"[".repeat(500).chars().chain("]".repeat(500).chars()).collect::<String>(),
        &large,
    ];
    for (index, data) in texts.iter().enumerate() {
        let body = format!(r#"{{"event_id":"e{index}","type":"a","data":  {data}  ,"tags":[]}}"#);
        publish_text(&api, body).await.expect(202);
        let shown = api.get(&api.acme.viewer, &format!("/v1/events/e{index}")).await;
        let text = std::str::from_utf8(&shown.body).unwrap();
        assert!(text.contains(&format!(r#""data":{data},"endpoints""#)), "{data}");
    }
}

#[tokio::test]
async fn data_has_a_limit_and_so_has_the_body() {
    let api = Api::new().await;
    let body = |size: usize| format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(size - 2));
    publish_text(&api, body(MAX_DATA_BYTES)).await.expect(202);
    let refused = publish_text(&api, body(MAX_DATA_BYTES + 1)).await.expect(413);
    assert_eq!(refused["limit_bytes"], MAX_DATA_BYTES);
    assert!(refused["detail"].as_str().unwrap().contains("5000000"), "{refused}");
    let refused = publish_text(&api, body(MAX_DATA_BYTES + 64 * 1024)).await.expect(413);
    assert_eq!(refused["limit_bytes"], MAX_DATA_BYTES + 64 * 1024);
    assert_eq!(refused["type"], "/problems/too-large");
}

#[tokio::test]
async fn what_has_not_the_right_type_is_refused_by_name() {
    let api = Api::new().await;
    let cases = [
        (json!({"type": 5, "data": 1}), "type"),
        (json!({"type": "a", "data": 1, "tags": ["x", 5]}), "tags[1]"),
        (json!({"type": "a", "data": 1, "tags": {}}), "tags"),
        (json!({"type": "a", "data": 1, "endpoints": 5}), "endpoints"),
        (json!({"type": "a", "data": 1, "endpoints": ["x", 5]}), "endpoints[1]"),
        (json!({"type": "a", "data": 1, "prio": 1}), "prio"),
        (json!({"type": "a", "data": 1, "occurred_at": 5}), "occurred_at"),
    ];
    for (body, field) in cases {
        let answer = api.post(&api.acme.publisher, "/v1/events", body.clone()).await;
        assert_eq!(answer.fields(400), [field], "{body}");
        assert_eq!(answer.json()["type"], "/problems/bad-request");
    }
    for body in ["[]", "5", "null", "\"x\""] {
        publish_text(&api, body).await.expect(400);
    }
    let twice = publish_text(&api, r#"{"type":"a","type":"b","data":1}"#).await.expect(400);
    assert!(twice["detail"].as_str().unwrap().contains("`type`"), "{twice}");
}

#[tokio::test]
async fn values_that_are_not_accepted_are_refused_by_name_all_at_once() {
    let api = Api::new().await;
    let body = json!({"event_id": "a.b", "type": "a..b", "occurred_at": "9999-12-31T23:59:59-23:59",
        "endpoints": ["ep_1"], "data": 1});
    let answer = api.post(&api.acme.publisher, "/v1/events", body).await;
    assert_eq!(answer.fields(422), ["event_id", "type", "occurred_at", "endpoints[0]"]);
    assert_eq!(answer.json()["type"], "/problems/validation");
    let cases = [
        (json!({"data": 1}), "type"),
        (json!({"type": "a"}), "data"),
        (json!({"type": "a", "data": 1, "endpoints": "all"}), "endpoints"),
        (json!({"type": "a", "data": 1, "endpoints": []}), "endpoints"),
        (json!({"type": "a", "data": 1, "source": ""}), "source"),
        (json!({"type": "a", "data": 1, "tags": ["ok", "x".repeat(65)]}), "tags[1]"),
    ];
    for (body, field) in cases {
        let answer = api.post(&api.acme.publisher, "/v1/events", body.clone()).await;
        assert_eq!(answer.fields(422), [field], "{body}");
    }
}

#[tokio::test]
async fn an_event_shows_what_it_means_for_every_endpoint() {
    let api = Api::new().await;
    let paid = api.endpoint(json!({"name": "paid", "subscriptions": [{"event_type": "order.paid"}]})).await;
    let refunds =
        api.endpoint(json!({"name": "refunds", "subscriptions": [{"event_type": "refund.*"}]})).await;
    let event = api.publish(json!({"type": "order.paid", "data": {}})).await;
    api.run().await;
    let shown = api.get(&api.acme.viewer, &format!("/v1/events/{event}")).await.expect(200);
    let endpoints = shown["endpoints"].as_array().unwrap();
    let of = |id: &str| endpoints.iter().find(|endpoint| endpoint["endpoint_id"] == id).unwrap();
    assert_eq!((&of(&paid)["matched"], &of(&paid)["name"]), (&json!(true), &json!("paid")));
    assert_eq!(of(&paid)["status"], "active");
    assert_eq!(of(&paid)["delivery"]["status"], "delivered");
    assert_eq!((&of(&refunds)["matched"], &of(&refunds)["delivery"]), (&json!(false), &Value::Null));
    assert_eq!(of(&refunds)["reason"], "no subscription covers order.paid");
}

#[tokio::test]
async fn an_event_can_name_its_endpoints_or_go_to_the_default_ones() {
    let api = Api::new().await;
    let first = api.endpoint(json!({"subscriptions": []})).await;
    let second = api.endpoint(json!({"subscriptions": [], "default": true})).await;
    for (audience, expected) in [(json!([first]), &first), (json!("default"), &second)] {
        let event = api.publish(json!({"type": "a", "data": 1, "endpoints": audience})).await;
        api.run().await;
        let path = format!("/v1/deliveries?event_id={event}");
        let items = api.get(&api.acme.viewer, &path).await.expect(200)["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1);
        assert_eq!(items[0]["endpoint_id"], expected.as_str());
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_made_durable_is_not_accepted() {
    let api = Api::new().await;
    let event = json!({"type": "a", "data": 1});
    api.queue.fails.store(true, Ordering::SeqCst);
    let answer = api.post(&api.acme.publisher, "/v1/events", event.clone()).await;
    assert_eq!(answer.expect(503)["type"], "/problems/unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    api.queue.fails.store(false, Ordering::SeqCst);
    api.table.fails.store(true, Ordering::SeqCst);
    api.post(&api.acme.publisher, "/v1/events", event).await.expect(503);
}

#[tokio::test]
async fn data_that_is_null_is_delivered() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    api.publish(json!({"type": "a", "data": null})).await;
    api.run().await;
    let list = api.get(&api.acme.viewer, &format!("/v1/endpoints/{endpoint}/deliveries")).await.expect(200);
    assert_eq!(list["items"][0]["status"], "delivered");
}

#[tokio::test]
async fn an_event_for_later_is_shown_as_scheduled_and_can_be_cancelled() {
    let api = Api::new().await;
    api.endpoint(json!({})).await;
    let body = json!({"event_id": "later", "type": "a", "data": 1, "deliver_at": "2026-02-15T12:00:00+01:00", "priority": 9});
    api.publish(body.clone()).await;
    let shown = api.get(&api.acme.viewer, "/v1/events/later").await.expect(200);
    assert_eq!((&shown["status"], &shown["priority"]), (&json!("scheduled"), &json!(9)));
    assert_eq!(shown["deliver_at"], "2026-02-15T11:00:00.000Z");
    assert_eq!(shown["endpoints"][0]["delivery"], json!(null));
    let mut other = body.clone();
    other["deliver_at"] = json!("2026-02-15T12:00:01+01:00");
    assert_eq!(api.post(&api.acme.publisher, "/v1/events", other).await.fields(409), ["event_id"]);
    assert_eq!(api.post(&api.acme.publisher, "/v1/events", body).await.expect(200)["duplicate"], true);
    let path = "/v1/events/later/cancel";
    let cancel = async |key: &str, path: &str| api.send(Call::new(Method::POST, path).key(key)).await;
    cancel(&api.acme.viewer, path).await.expect(403);
    cancel(&api.other.admin, path).await.expect(404);
    assert_eq!(cancel(&api.acme.publisher, path).await.expect(200)["status"], "cancelled");
    let list = api.get(&api.acme.viewer, "/v1/events").await.expect(200);
    assert_eq!(list["items"][0]["status"], "cancelled");
    api.run().await;
    assert!(api.receiver.requests.lock().unwrap().is_empty());

    let now = api.publish(json!({"type": "a", "data": 1, "deliver_at": "2020-01-01T00:00:00Z"})).await;
    api.run().await;
    assert_eq!(api.receiver.requests.lock().unwrap().len(), 1);
    let shown = api.get(&api.acme.viewer, &format!("/v1/events/{now}")).await.expect(200);
    assert_eq!((&shown["status"], &shown["priority"]), (&json!("accepted"), &json!(5)));
    cancel(&api.acme.publisher, &format!("/v1/events/{now}/cancel")).await.expect(409);
    for (field, value) in [
        ("deliver_at", json!("2026-03-03T12:00:00Z")),
        ("deliver_at", json!("soon")),
        ("priority", json!(11)),
        ("priority", json!(-1)),
        ("priority", json!(1.5)),
    ] {
        let mut event = json!({"type": "a", "data": 1});
        event[field] = value;
        assert_eq!(api.post(&api.acme.publisher, "/v1/events", event).await.fields(422), [field]);
    }
}
