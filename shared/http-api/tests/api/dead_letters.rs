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
        "job_id": null,
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
async fn those_that_a_filter_lets_through_are_redriven_by_a_job() {
    let api = Api::new().await;
    let [endpoint, ..] = api.failed_delivery().await;
    api.receiver.status.store(404, Ordering::SeqCst);
    for _ in 0..3 {
        api.publish(json!({"type": "a", "data": 1, "endpoints": [endpoint]})).await;
    }
    api.run().await;
    api.receiver.status.store(200, Ordering::SeqCst);
    let dry = |filter: Value| json!({"filter": filter, "dry_run": true});
    for (filter, matched) in [
        (json!({}), 4),
        (json!({"event_type": "a"}), 3),
        (json!({"reason": "rejected", "event_type": "a.b"}), 1),
        (json!({"reason": "gone"}), 0),
        (json!({"endpoint_id": format!("ep_{ULID}")}), 0),
        (json!({"until": "2026-01-01T00:00:00Z"}), 0),
        (json!({"since": "2026-01-01T00:00:00Z"}), 4),
    ] {
        let counted = redrive(&api, dry(filter)).await.expect(200);
        assert_eq!(counted, json!({"matched": matched, "at_least": false}));
    }
    let call = Call::new(Method::POST, "/v1/dead-letters/redrive").key(PLATFORM);
    let order = json!({"filter": {"endpoint_id": endpoint}, "rate": 50, "note": "repaired"});
    let job = api.send(call.acting_for("acme").json(&order)).await.expect(202);
    let expected = json!({
        "id": job["id"], "kind": "redrive", "state": "pending", "rate": 50, "note": "repaired", "error": null,
        "filter": {"endpoint_id": endpoint, "event_type": null, "reason": null, "since": null,
            "until": job["filter"]["until"]},
        "counts": {"matched": 0, "sent": 0, "skipped": 0, "failed": 0, "skipped_because": {}},
        "position": null, "created_at": job["created_at"], "created_by": "platform", "started_at": null,
        "ended_at": null,
    });
    assert_eq!(job, expected);
    api.run().await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let done = api.get(&api.acme.viewer, &path).await.expect(200);
    assert_eq!((&done["state"], &done["counts"]["sent"]), (&json!("done"), &json!(4)), "{done}");
    assert!(done["position"].is_string() && done["ended_at"].is_string());
    let list = api.get(&api.acme.viewer, "/v1/dead-letters?state=redriven").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    let letter = &list["items"][3];
    assert_eq!((&letter["handled_by"], &letter["job_id"]), (&json!("platform"), &job["id"]));
    let listed = api.get(&api.acme.viewer, "/v1/jobs").await.expect(200);
    assert_eq!(listed["items"], json!([done]));
    for action in ["cancel", "resume"] {
        let refused = api.post(&api.acme.admin, &format!("{path}/{action}"), json!({})).await.expect(409);
        assert!(refused["detail"].as_str().unwrap().contains("done"), "{refused}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_resolved_or_discarded_and_stays_so() {
    let api = Api::new().await;
    let [endpoint, _, _, letter] = api.failed_delivery().await;
    let path = format!("/v1/dead-letters/{letter}");
    let shown = api.get(&api.acme.viewer, &path).await.expect(200);
    assert_eq!(shown["attempts"][0]["response_status"], 404);
    let begun =
        json!({"state": "pending", "at": shown["created_at"], "by": null, "note": null, "job_id": null});
    assert_eq!((&shown["history"], &shown["message"]), (&json!([begun]), &Value::Null));
    let resolve = format!("{path}/resolve");
    let resolved = api.post(&api.acme.admin, &resolve, json!({"note": "by hand"})).await.expect(200);
    assert_eq!(resolved["state"], "resolved");
    assert_eq!(api.post(&api.acme.admin, &resolve, json!({})).await.expect(200)["note"], "by hand");
    for action in ["redrive", "discard"] {
        let refused = api.post(&api.acme.admin, &format!("{path}/{action}"), json!({})).await.expect(409);
        assert_eq!(refused["detail"], "the dead letter is resolved already");
    }
    let again = redrive(&api, json!({"ids": [letter]})).await.expect(200);
    let error = "the dead letter is resolved already";
    assert_eq!(again["items"], json!([{"id": letter, "status": "failed", "error": error}]));
    let history = api.get(&api.acme.viewer, &path).await.expect(200)["history"].clone();
    assert_eq!((&history[1]["state"], &history[1]["note"]), (&json!("resolved"), &json!("by hand")));
    assert!(history[1]["by"].as_str().unwrap().starts_with("key_"));

    let [.., other] = api.failed_delivery().await;
    let body = json!({"ids": [other, letter], "note": "not wanted"});
    let done = api.post(&api.acme.admin, "/v1/dead-letters/discard", body).await.expect(200);
    let expected = json!({"items": [{"id": other, "status": "discarded"},
        {"id": letter, "status": "failed", "error": error}], "discarded": 1});
    assert_eq!(done, expected);
    let list = api.get(&api.acme.viewer, "/v1/dead-letters?state=discarded").await.expect(200);
    assert_eq!(list["items"][0]["id"], other.as_str());
    let list =
        format!("/v1/dead-letters?endpoint_id={endpoint}&reason=rejected&event_type=a.b&state=resolved");
    assert_eq!(api.get(&api.acme.viewer, &list).await.expect(200)["items"][0]["id"], letter.as_str());
    for bad in ["reason=x", "event_type=a..b", "since=x", "until=x", "state=x"] {
        let field = bad.split('=').next().unwrap();
        let answer = api.get(&api.acme.viewer, &format!("/v1/dead-letters?{bad}")).await;
        assert_eq!(answer.fields(400), [field]);
    }
    for (action, body, fields) in [
        ("resolve", json!({}), "ids"),
        ("discard", json!({"ids": ["x"]}), "ids[0]"),
        ("resolve", json!({"ids": [letter], "note": "x".repeat(1025)}), "note"),
    ] {
        let answer = api.post(&api.acme.admin, &format!("/v1/dead-letters/{action}"), body).await;
        assert_eq!(answer.fields(422), [fields]);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_shown_to_whom_it_belongs() {
    let api = Api::new().await;
    let body = r#"{"deliver":{"v":2,"tenant":"acme","secret":"of acme"}}"#;
    api.give_up(&[body, "nobody's"]).await;
    let list = api.get(&api.acme.viewer, "/v1/dead-letters?reason=unreadable").await.expect(200);
    let letter = &list["items"][0];
    assert_eq!((&letter["event_id"], &letter["delivery_id"]), (&Value::Null, &Value::Null));
    assert!(!list.to_string().contains("of acme"));
    let path = format!("/v1/dead-letters/{}", letter["id"].as_str().unwrap());
    assert_eq!(api.get(&api.acme.viewer, &path).await.expect(200)["message"], body);
    let operator = Call::new(Method::GET, &path).key(PLATFORM).acting_for("acme");
    assert_eq!(api.send(operator).await.expect(200)["message"], Value::Null);
    api.get(&api.other.viewer, &path).await.expect(404);
    api.post(&api.acme.admin, &format!("{path}/redrive"), json!({})).await.expect(409);
    let list = api.get(PLATFORM, "/v1/platform/dead-letters").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["message"], "nobody's");
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
    let id = format!("dl_{ULID}");
    let filter = |name: &str, value: &str| json!({"filter": {name: value}});
    let cases = [
        (json!({}), 422, vec!["ids"]),
        (json!({"note": "n"}), 422, vec!["ids"]),
        (json!({"ids": []}), 422, vec!["ids"]),
        (json!({"ids": vec![id.clone(); 101]}), 422, vec!["ids"]),
        (json!({"ids": [id, "x"]}), 422, vec!["ids[1]"]),
        (json!({"ids": [id], "filter": {}}), 422, vec!["ids"]),
        (json!({"ids": [id], "rate": 5, "dry_run": true}), 422, vec!["rate", "dry_run"]),
        (json!({"ids": "x"}), 400, vec!["ids"]),
        (json!({"limit": 1}), 400, vec!["limit"]),
        (json!({"filter": []}), 400, vec!["filter"]),
        (json!({"filter": {"state": "pending"}}), 400, vec!["filter.state"]),
        (filter("endpoint_id", "x"), 422, vec!["filter.endpoint_id"]),
        (filter("event_type", "a..b"), 422, vec!["filter.event_type"]),
        (filter("reason", "x"), 422, vec!["filter.reason"]),
        (filter("since", "x"), 422, vec!["filter.since"]),
        (
            json!({"filter": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}),
            422,
            vec!["filter.until"],
        ),
        (json!({"filter": {}, "rate": 0}), 422, vec!["rate"]),
        (json!({"filter": {}, "rate": 1001}), 422, vec!["rate"]),
        (json!({"filter": {}, "rate": 1.5}), 422, vec!["rate"]),
        (json!({"filter": {}, "dry_run": "yes"}), 400, vec!["dry_run"]),
        (json!({"filter": {}, "note": "x".repeat(1025)}), 422, vec!["note"]),
    ];
    for (body, status, fields) in cases {
        let answer = redrive(&api, body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
}
