//! `/v1/dead-letters`: listed and redriven.

use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::fixture::{Api, PLATFORM};

const ULID: &str = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";

async fn redrive(api: &Api, body: Value) -> Answer {
    api.post(&api.acme.admin, "/v1/dead-letters/redrive", body).await
}

#[tokio::test]
async fn a_dead_letter_tells_why_and_what_was_done() {
    let api = Api::new().await;
    let [endpoint, event, delivery, letter] = api.failed_delivery().await;
    let list = api.get(&api.acme.viewer, "/v1/dead-letters").await.expect(200);
    let shown = &list["items"][0];
    let expected = json!({
        "id": letter, "state": "pending", "reason": "rejected", "event_id": event, "event_type": "a.b",
        "delivery_id": delivery, "endpoint_id": endpoint, "error": shown["error"], "attempt_count": 1,
        "created_at": shown["created_at"], "handled_at": null, "handled_by": null, "note": null,
    });
    assert_eq!(shown, &expected);
    assert!(shown["error"].is_string());

    let done = redrive(&api, json!({"ids": [letter], "note": "fixed"})).await.expect(200);
    assert_eq!(done, json!({"items": [{"id": letter, "status": "redriven"}], "redriven": 1}));
    api.run().await;
    let of = async |state: &str| {
        let path = format!("/v1/dead-letters?state={state}&endpoint_id={endpoint}");
        api.get(&api.acme.viewer, &path).await.expect(200)["items"].clone()
    };
    assert_eq!(of("pending").await, json!([]));
    let redriven = of("redriven").await;
    assert_eq!((&redriven[0]["state"], &redriven[0]["note"]), (&json!("redriven"), &json!("fixed")));
    assert!(redriven[0]["handled_by"].as_str().unwrap().starts_with("key_"));
    assert!(redriven[0]["handled_at"].is_string());
    let delivery = api.get(&api.acme.viewer, &format!("/v1/deliveries/{delivery}")).await.expect(200);
    assert_eq!(delivery["status"], "delivered");
}

#[tokio::test]
async fn the_latest_dead_letters_are_redriven_together() {
    let api = Api::new().await;
    let [endpoint, ..] = api.failed_delivery().await;
    api.receiver.status.store(404, Ordering::SeqCst);
    for _ in 0..3 {
        api.publish(json!({"type": "a", "data": 1, "endpoints": [endpoint]})).await;
    }
    api.run().await;
    api.receiver.status.store(200, Ordering::SeqCst);
    assert_eq!(redrive(&api, json!({"limit": 1})).await.expect(200)["redriven"], 1);
    assert_eq!(redrive(&api, json!({"endpoint_id": format!("ep_{ULID}")})).await.expect(200)["redriven"], 0);
    let call = Call::new(Method::POST, "/v1/dead-letters/redrive").key(PLATFORM);
    let call = call.acting_for("acme").json(&json!({"endpoint_id": endpoint}));
    assert_eq!(api.send(call).await.expect(200)["redriven"], 3);
    let list = api.get(&api.acme.viewer, "/v1/dead-letters?state=redriven").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    assert_eq!(list["items"][3]["handled_by"], "platform");
}

#[tokio::test]
async fn one_that_cannot_be_redriven_does_not_stop_the_others() {
    let api = Api::new().await;
    let [endpoint, _, _, gone] = api.failed_delivery().await;
    api.delete(&api.acme.admin, &format!("/v1/endpoints/{endpoint}")).await.expect(204);
    let [.., letter] = api.failed_delivery().await;
    let unknown = format!("dl_{ULID}");
    let done = redrive(&api, json!({"ids": [gone, unknown, letter]})).await.expect(200);
    let expected = json!({"items": [
        {"id": gone, "status": "failed", "error": "the delivery's endpoint was deleted"},
        {"id": unknown, "status": "failed", "error": format!("there is no dead letter {unknown}")},
        {"id": letter, "status": "redriven"},
    ], "redriven": 1});
    assert_eq!(done, expected);
    api.queue.fails.store(true, Ordering::SeqCst);
    let again = redrive(&api, json!({"ids": [letter]})).await.expect(200);
    assert_eq!(again["redriven"], 1, "what is redriven already is not sent once more");
}

#[tokio::test]
async fn what_to_redrive_has_to_be_said() {
    let api = Api::new().await;
    let cases = [
        (json!({}), 422, vec!["ids"]),
        (json!({"note": "n"}), 422, vec!["ids"]),
        (json!({"ids": []}), 422, vec!["ids"]),
        (json!({"ids": vec![format!("dl_{ULID}"); 101]}), 422, vec!["ids"]),
        (json!({"ids": [format!("dl_{ULID}"), "x"]}), 422, vec!["ids[1]"]),
        (json!({"ids": [format!("dl_{ULID}")], "limit": 5}), 422, vec!["ids"]),
        (json!({"ids": "x"}), 400, vec!["ids"]),
        (json!({"endpoint_id": "x"}), 422, vec!["endpoint_id"]),
        (json!({"limit": 0}), 422, vec!["limit"]),
        (json!({"limit": 101}), 422, vec!["limit"]),
        (json!({"limit": 1.5}), 422, vec!["limit"]),
        (json!({"limit": 1, "note": "x".repeat(1025)}), 422, vec!["note"]),
        (json!({"all": true}), 400, vec!["all"]),
    ];
    for (body, status, fields) in cases {
        assert_eq!(redrive(&api, body.clone()).await.fields(status), fields, "{body}");
    }
}
