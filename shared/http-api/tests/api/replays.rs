//! `/replay`, `/v1/deliveries/{id}/retry` to another endpoint, and `/cancel`.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::fixture::Api;

const ULID: &str = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";

/// A day around everything that happens in a test.
fn day(fields: Value) -> Value {
    let mut body = json!({"since": "2026-01-31T00:00:00Z", "until": "2026-02-01T00:00:00Z"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// An endpoint that subscribes to nothing that is published here.
async fn other(api: &Api) -> String {
    api.endpoint(json!({"subscriptions": [{"event_type": "nothing"}]})).await
}

async fn count(api: &Api, endpoint: &str, status: &str) -> usize {
    let path = format!("/v1/deliveries?endpoint_id={endpoint}&status={status}");
    api.get(&api.acme.viewer, &path).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_endpoints_deliveries_are_replayed_to_another_after_a_dry_run() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    for event_type in ["a.b", "a.c", "d"] {
        api.publish(json!({"type": event_type, "data": 1})).await;
    }
    api.run().await;
    let target = other(&api).await;
    let path = format!("/v1/endpoints/{endpoint}/replay");
    let replay = async |body: Value| api.post(&api.acme.admin, &path, body).await;
    for (fields, matched) in [
        (json!({"dry_run": true}), 3),
        (json!({"dry_run": true, "status": "failed"}), 0),
        (json!({"dry_run": true, "status": "delivered", "event_types": ["a.*"]}), 2),
    ] {
        assert_eq!(replay(day(fields)).await.expect(200), json!({"matched": matched, "at_least": false}));
    }
    assert_eq!(api.get(&api.acme.viewer, "/v1/jobs").await.expect(200)["items"], json!([]));
    let order = day(json!({"event_types": ["a.*"], "to_endpoint": target, "rate": 7}));
    let job = replay(order).await.expect(202);
    assert_eq!((&job["kind"], &job["state"], &job["rate"]), (&json!("replay"), &json!("pending"), &json!(7)));
    assert_eq!(job["filter"]["to_endpoint"], target.as_str());
    assert_eq!((&job["filter"]["endpoint_id"], &job["filter"]["status"]), (&json!(endpoint), &Value::Null));
    api.run().await;
    assert_eq!((count(&api, &target, "delivered").await, count(&api, &endpoint, "delivered").await), (2, 3));
    let done = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let done = api.get(&api.acme.viewer, &done).await.expect(200);
    assert_eq!((&done["state"], &done["counts"]["sent"]), (&json!("done"), &json!(2)));
}

#[tokio::test]
async fn a_job_is_called_off_by_request() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    api.publish(json!({"type": "a.b", "data": 1})).await;
    api.run().await;
    let before = api.receiver.requests.lock().unwrap().len();
    let path = format!("/v1/endpoints/{endpoint}/replay");
    let job = api.post(&api.acme.admin, &path, day(json!({}))).await.expect(202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let cancelled = api.post(&api.acme.admin, &format!("{path}/cancel"), json!({})).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    api.run().await;
    assert_eq!(api.receiver.requests.lock().unwrap().len(), before);
    api.post(&api.acme.admin, &format!("{path}/cancel"), json!({})).await.expect(409);
    api.post(&api.acme.admin, &format!("{path}/resume"), json!({})).await.expect(409);
}

#[tokio::test]
async fn an_event_is_replayed() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let event = api.publish(json!({"type": "a.b", "data": 1})).await;
    api.run().await;
    let target = other(&api).await;
    let path = format!("/v1/events/{event}/replay");
    let counted = api.post(&api.acme.admin, &path, json!({"dry_run": true})).await.expect(200);
    assert_eq!(counted, json!({"matched": 1, "at_least": false}));
    let job = api.post(&api.acme.admin, &path, json!({"endpoints": [target, endpoint]})).await.expect(202);
    assert_eq!(job["filter"]["event_id"], event.as_str());
    api.run().await;
    assert_eq!(count(&api, &target, "delivered").await, 1);
    assert_eq!(api.receiver.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_delivery_is_made_at_another_endpoint_and_called_off() {
    let api = Api::new().await;
    let [_, event, delivery, _] = api.failed_delivery().await;
    let target = other(&api).await;
    let path = format!("/v1/deliveries/{delivery}");
    let retry = |to: &str| (format!("{path}/retry"), json!({"to_endpoint": to}));
    let (route, body) = retry(&target);
    let made = api.post(&api.acme.admin, &route, body).await.expect(202);
    assert_eq!((&made["endpoint_id"], &made["event_id"]), (&json!(target), &json!(event)));
    api.run().await;
    assert_eq!(count(&api, &target, "delivered").await, 1);
    for (to, field) in [("x", "to_endpoint"), (&*format!("ep_{ULID}"), "to_endpoint")] {
        let (route, body) = retry(to);
        assert_eq!(api.post(&api.acme.admin, &route, body).await.fields(422), [field]);
    }
    let refused = api.post(&api.acme.admin, &format!("{path}/cancel"), json!({})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("the delivery is failed"), "{refused}");

    let requests = api.receiver.requests.lock().unwrap().len();
    api.receiver.status.store(500, Ordering::SeqCst);
    api.post(&api.acme.admin, &format!("{path}/retry"), json!({})).await.expect(202);
    let cancelled =
        api.post(&api.acme.admin, &format!("{path}/cancel"), json!({"note": "oh"})).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert!(cancelled["error"].as_str().unwrap().ends_with(": oh"), "{cancelled}");
    api.run().await;
    assert_eq!(api.receiver.requests.lock().unwrap().len(), requests, "the retry was called off");
}

#[tokio::test]
async fn replays_are_refused_by_field() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let event = api.publish(json!({"type": "a.b", "data": 1})).await;
    let path = format!("/v1/endpoints/{endpoint}/replay");
    let cases = [
        (json!({}), 422, vec!["since", "until"]),
        (json!({"since": "x", "until": "2026-02-01T00:00:00Z"}), 422, vec!["since"]),
        (json!({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}), 422, vec!["until"]),
        (day(json!({"status": "lost"})), 422, vec!["status"]),
        (day(json!({"event_types": ["a..b", "a.*"]})), 422, vec!["event_types[0]"]),
        (day(json!({"event_types": vec!["a"; 21]})), 422, vec!["event_types"]),
        (day(json!({"to_endpoint": "x"})), 422, vec!["to_endpoint"]),
        (day(json!({"to_endpoint": format!("ep_{ULID}")})), 422, vec!["to_endpoint"]),
        (day(json!({"rate": 0})), 422, vec!["rate"]),
        (day(json!({"speed": 1})), 400, vec!["speed"]),
    ];
    for (body, status, fields) in cases {
        let answer = api.post(&api.acme.admin, &path, body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
    let path = format!("/v1/events/{event}/replay");
    let cases = [
        (json!({"endpoints": []}), 422, vec!["endpoints"]),
        (json!({"endpoints": ["x"]}), 422, vec!["endpoints[0]"]),
        (json!({"endpoints": [endpoint, format!("ep_{ULID}")]}), 422, vec!["endpoints[1]"]),
        (json!({"endpoints": vec![endpoint.clone(); 101]}), 422, vec!["endpoints"]),
        (json!({"rate": "fast"}), 400, vec!["rate"]),
    ];
    for (body, status, fields) in cases {
        let answer = api.post(&api.acme.admin, &path, body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
}
