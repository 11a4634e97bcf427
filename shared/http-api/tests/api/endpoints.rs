//! `/v1/endpoints`: from creation to removal.

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::Call;
use crate::fixture::Api;

fn minimal() -> Value {
    json!({"name": "orders", "channel": "webhook", "config": {"url": "https://example.com/hook"}})
}

fn with(fields: Value) -> Value {
    let mut body = minimal();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn an_endpoint_is_created_with_defaults_and_shows_its_secret_once() {
    let api = Api::new().await;
    let created = api.post(&api.acme.admin, "/v1/endpoints", minimal()).await.expect(201);
    let expected = json!({
        "id": created["id"], "name": "orders", "description": null, "channel": "webhook",
        "config": {"url": "https://example.com/hook"}, "subscriptions": [],
        "retry": {"strategy": "exponential", "max_attempts": 5, "initial_delay": 1, "multiplier": 2,
                  "max_delay": 300, "jitter": 0.1},
        "rate_limit": {"per_second": 100, "burst": 100},
        "timeout_seconds": 10, "default": false, "ordered": false, "metadata": {}, "status": "active", "status_reason": null,
        "created_at": created["created_at"], "updated_at": created["created_at"], "secret": created["secret"],
    });
    assert_eq!(created, expected);
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    assert!(id.starts_with("ep_") && secret.starts_with("whsec_"));
    let shown = api.get(&api.acme.viewer, &format!("/v1/endpoints/{id}")).await.expect(200);
    let mut without = expected;
    without.as_object_mut().unwrap().remove("secret");
    assert_eq!(shown, without);
    let list = api.get(&api.acme.viewer, "/v1/endpoints").await.expect(200);
    assert_eq!(list["items"], json!([without]));
    let again = api.get(&api.acme.admin, &format!("/v1/endpoints/{id}/secret")).await.expect(200);
    let key =
        json!({"key": "hmac", "secret": secret, "created_at": created["created_at"], "expires_at": null});
    assert_eq!(again, json!({"secret": secret, "keys": [key]}));
}

#[tokio::test]
async fn credentials_are_masked_and_the_mask_keeps_them() {
    let api = Api::new().await;
    let auth = json!({"type": "bearer", "token": "hidden-token"});
    let body = with(json!({"config": {"url": "https://example.com/hook", "auth": auth}}));
    let created = api.post(&api.acme.admin, "/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", created["id"].as_str().unwrap());
    assert!(!created.to_string().contains("hidden-token"));
    let change = json!({"config": created["config"], "description": "d"});
    let changed = api.patch(&api.acme.admin, &path, change).await.expect(200);
    assert!(!changed.to_string().contains("hidden-token"));
    api.publish(json!({"type": "a", "data": 1, "endpoints": [created["id"]]})).await;
    api.run().await;
    let requests = api.receiver.requests.lock().unwrap();
    assert_eq!(requests[0].headers["authorization"], "Bearer hidden-token");
}

#[tokio::test]
async fn a_filter_is_shown_as_it_was_written() {
    let api = Api::new().await;
    let filter = json!({"amount": {"gt": 100}, "or": [{"region": "US"}, {"region": {"in": ["DE"]}}]});
    let subscriptions = json!([{"event_type": "order.*", "filter": filter}, {"event_type": "*"}]);
    let body = with(json!({"subscriptions": subscriptions, "metadata": {"team": "a", "b": "c"}}));
    let created = api.post(&api.acme.admin, "/v1/endpoints", body).await.expect(201);
    assert_eq!(created["subscriptions"], subscriptions);
    assert_eq!(created["metadata"], json!({"team": "a", "b": "c"}));
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let api = Api::new().await;
    let cases = [
        (json!({}), 422, vec!["channel", "name", "config"]),
        (with(json!({"channel": "pigeon"})), 422, vec!["channel"]),
        (with(json!({"name": ""})), 422, vec!["name"]),
        (with(json!({"name": null})), 422, vec!["name"]),
        (with(json!({"name": 5})), 400, vec!["name"]),
        (with(json!({"colour": "red"})), 400, vec!["colour"]),
        (with(json!({"config": {"url": "ftp:"}})), 422, vec!["config.url"]),
        (with(json!({"config": {"url": "https://example.com", "x": 1}})), 422, vec!["config.x"]),
        (with(json!({"timeout_seconds": 0.5})), 422, vec!["timeout_seconds"]),
        (with(json!({"timeout_seconds": -1})), 422, vec!["timeout_seconds"]),
        (with(json!({"timeout_seconds": 1e300})), 422, vec!["timeout_seconds"]),
        (with(json!({"timeout_seconds": "5"})), 400, vec!["timeout_seconds"]),
        (with(json!({"subscriptions": [{}]})), 422, vec!["subscriptions[0].event_type"]),
        (
            with(json!({"subscriptions": [{"event_type": "*"}, {"event_type": "a*"}]})),
            422,
            vec!["subscriptions[1].event_type"],
        ),
        (with(json!({"subscriptions": [{"event_type": "*", "x": 1}]})), 400, vec!["subscriptions[0].x"]),
        (
            with(json!({"subscriptions": [{"event_type": "*", "filter": {"a": {"gt": []}}}]})),
            422,
            vec!["subscriptions[0].filter.a.gt"],
        ),
        (
            with(json!({"subscriptions": [{"event_type": "*", "filter": 5}]})),
            422,
            vec!["subscriptions[0].filter"],
        ),
        (with(json!({"subscriptions": vec![json!({"event_type": "*"}); 41]})), 422, vec!["subscriptions"]),
        (with(json!({"retry": {"max_attempts": 101}})), 422, vec!["retry.max_attempts"]),
        (with(json!({"retry": {"max_attempts": "5"}})), 400, vec!["retry.max_attempts"]),
        (with(json!({"retry": {"max_delay": 86_401}})), 422, vec!["retry.max_delay"]),
        (with(json!({"retry": {"strategy": "fixed", "multiplier": 2}})), 422, vec!["retry.multiplier"]),
        (
            with(json!({"retry": {"strategy": "schedule", "schedule": [1, "x"]}})),
            400,
            vec!["retry.schedule[1]"],
        ),
        (with(json!({"rate_limit": {"per_second": 0.09}})), 422, vec!["rate_limit.per_second"]),
        (
            with(json!({"rate_limit": {"per_second": 1e300, "burst": 0}})),
            422,
            vec!["rate_limit.per_second", "rate_limit.burst"],
        ),
        (with(json!({"rate_limit": {"burst": 1.5}})), 422, vec!["rate_limit.burst"]),
        (with(json!({"rate_limit": {"per_minute": 5}})), 400, vec!["rate_limit.per_minute"]),
        (with(json!({"rate_limit": 5})), 400, vec!["rate_limit"]),
        (with(json!({"metadata": {"a": 1}})), 400, vec!["metadata.a"]),
        (with(json!({"metadata": {"a": "x".repeat(257)}})), 422, vec!["metadata.a"]),
        (with(json!({"default": "yes"})), 400, vec!["default"]),
        (with(json!({"ordered": 1})), 400, vec!["ordered"]),
        (with(json!({"max_blocked_seconds": 60})), 422, vec!["max_blocked_seconds"]),
        (with(json!({"ordered": true, "max_blocked_seconds": 0.5})), 422, vec!["max_blocked_seconds"]),
        (with(json!({"ordered": true, "max_blocked_seconds": 432_001})), 422, vec!["max_blocked_seconds"]),
        // Lists in the place of objects.
        (with(json!({"subscriptions": [["*"]]})), 400, vec!["subscriptions[0]"]),
        (with(json!({"retry": ["fixed"]})), 400, vec!["retry"]),
    ];
    for (body, status, fields) in cases {
        let answer = api.post(&api.acme.admin, "/v1/endpoints", body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
    let list = api.get(&api.acme.viewer, "/v1/endpoints").await.expect(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let api = Api::new().await;
    let fields = json!({"description": "d", "metadata": {"a": "b"}, "timeout_seconds": 2.5,
        "retry": {"strategy": "schedule", "schedule": [0.5, 5]}, "default": true,
        "rate_limit": {"per_second": 2.5}, "ordered": true, "max_blocked_seconds": 90});
    let id = api.endpoint(fields).await;
    let path = format!("/v1/endpoints/{id}");
    let before = api.get(&api.acme.viewer, &path).await.expect(200);
    assert_eq!(before["timeout_seconds"], 2.5);
    assert_eq!(before["retry"]["schedule"], json!([0.5, 5]));
    assert_eq!(before["retry"]["max_attempts"], 3);
    assert_eq!(before["rate_limit"], json!({"per_second": 2.5, "burst": 3}));
    assert_eq!((&before["ordered"], &before["max_blocked_seconds"]), (&json!(true), &json!(90)));

    let change = json!({"name": "n", "config": {"method": "PUT"}, "subscriptions": []});
    let after = api.patch(&api.acme.admin, &path, change).await.expect(200);
    let mut expected = before.clone();
    expected["name"] = json!("n");
    expected["config"]["method"] = json!("PUT");
    expected["subscriptions"] = json!([]);
    expected["updated_at"] = after["updated_at"].clone();
    assert_eq!(after, expected);
    assert_ne!(after["updated_at"], before["updated_at"]);

    let reset = json!({"description": null, "config": {"method": null}, "retry": null, "metadata": null,
        "timeout_seconds": null, "default": null, "rate_limit": null, "ordered": null,
        "max_blocked_seconds": null});
    let reset = api.patch(&api.acme.admin, &path, reset).await.expect(200);
    assert_eq!(reset["description"], Value::Null);
    assert_eq!(reset["config"], json!({"url": "https://example.com/hook"}));
    assert_eq!(reset["retry"]["strategy"], "exponential");
    assert_eq!((&reset["metadata"], &reset["default"]), (&json!({}), &json!(false)));
    assert_eq!(reset["timeout_seconds"], 10);
    assert_eq!((&reset["ordered"], &reset["max_blocked_seconds"]), (&json!(false), &Value::Null));
    assert_eq!(reset["rate_limit"], json!({"per_second": 100, "burst": 100}));
    assert_eq!(api.get(&api.acme.viewer, &path).await.expect(200), reset);

    let channel = api.patch(&api.acme.admin, &path, json!({"channel": "webhook"})).await;
    assert_eq!(channel.fields(422), ["channel"]);
    let url = api.patch(&api.acme.admin, &path, json!({"config": {"url": null}})).await;
    assert_eq!(url.fields(422), ["config.url"]);
}

#[tokio::test]
async fn an_endpoint_is_turned_off_and_on_and_loses_nothing() {
    let api = Api::new().await;
    let id = api.endpoint(json!({})).await;
    let turn = async |how: &str| {
        let path = format!("/v1/endpoints/{id}/{how}");
        let answer = api.send(Call::new(Method::POST, &path).key(&api.acme.admin));
        answer.await.expect(200)["status"].clone()
    };
    let parked = format!("/v1/endpoints/{id}/deliveries?status=parked");
    for (off, status, on) in [("pause", "paused", "resume"), ("disable", "disabled", "enable")] {
        assert_eq!(turn(off).await, status);
        assert_eq!(turn(off).await, status);
        let event = api.publish(json!({"type": "a", "data": 1})).await;
        api.run().await;
        let items = api.get(&api.acme.viewer, &parked).await.expect(200)["items"].clone();
        assert_eq!(items[0]["event_id"], event.as_str());
        assert_eq!(turn(on).await, "active");
        api.run().await;
        assert_eq!(api.get(&api.acme.viewer, &parked).await.expect(200)["items"], json!([]));
        let of_event = format!("/v1/deliveries?event_id={event}");
        let items = api.get(&api.acme.viewer, &of_event).await.expect(200)["items"].clone();
        assert_eq!(items[0]["status"], "delivered");
    }
}

#[tokio::test]
async fn a_test_event_goes_to_just_this_endpoint() {
    let api = Api::new().await;
    let id = api.endpoint(json!({"subscriptions": []})).await;
    let other = api.endpoint(json!({})).await;
    let path = format!("/v1/endpoints/{id}/test");
    let bare = Call::new(Method::POST, &path).key(&api.acme.admin);
    let sent = api.send(bare).await.expect(202);
    api.run().await;
    let delivery = format!("/v1/deliveries/{}", sent["delivery_id"].as_str().unwrap());
    let shown = api.get(&api.acme.viewer, &delivery).await.expect(200);
    assert_eq!((&shown["status"], &shown["event_type"]), (&json!("delivered"), &json!("postrider.test")));
    assert_eq!(shown["event_id"], sent["event_id"]);
    let event = format!("/v1/events/{}", sent["event_id"].as_str().unwrap());
    let event = api.get(&api.acme.viewer, &event).await.expect(200);
    assert_eq!(event["data"], json!({"message": "This is a test event from Postrider."}));
    let of_other = api.get(&api.acme.viewer, &format!("/v1/endpoints/{other}/deliveries")).await.expect(200);
    assert_eq!(of_other["items"], json!([]));

    let own = api.post(&api.acme.admin, &path, json!({"type": "my.test", "data": [1]})).await.expect(202);
    let event = format!("/v1/events/{}", own["event_id"].as_str().unwrap());
    let event = api.get(&api.acme.viewer, &event).await.expect(200);
    assert_eq!((&event["type"], &event["data"]), (&json!("my.test"), &json!([1])));
    assert_eq!(api.post(&api.acme.admin, &path, json!({"type": "a b"})).await.fields(422), ["type"]);
    assert_eq!(api.post(&api.acme.admin, &path, json!({"x": 1})).await.fields(400), ["x"]);
}

#[tokio::test]
async fn an_endpoint_that_is_removed_is_gone() {
    let api = Api::new().await;
    let id = api.endpoint(json!({})).await;
    let path = format!("/v1/endpoints/{id}");
    let removed = api.delete(&api.acme.admin, &path).await;
    assert!(removed.expect(204).is_null());
    api.delete(&api.acme.admin, &path).await.expect(404);
    api.get(&api.acme.viewer, &path).await.expect(404);
    api.get(&api.acme.viewer, &format!("{path}/deliveries")).await.expect(404);
    let event = api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    let path = format!("/v1/deliveries?event_id={event}");
    assert_eq!(api.get(&api.acme.viewer, &path).await.expect(200)["items"], json!([]));
}
