//! Endpoints over their life.

use postrider_tests::tenant::{list, text};
use postrider_tests::{Receiver, Target, pages, signature};
use serde_json::{Value, json};

pub(crate) async fn an_endpoint_is_created_read_and_listed(target: &Target) {
    let tenant = target.tenant("endpoints").await;
    let receiver = Receiver::start().await;
    let plain = tenant.endpoint(&receiver.url("/plain"), json!({"subscriptions": []})).await;
    let retry = json!({
        "strategy": "exponential", "max_attempts": 5, "initial_delay": 1, "multiplier": 2, "max_delay": 300,
        "jitter": 0.1,
    });
    let defaults = json!({
        "name": "receiver", "description": null, "channel": "webhook", "subscriptions": [], "retry": retry,
        "rate_limit": {"per_second": 100, "burst": 100}, "timeout_seconds": 10, "default": false, "metadata": {},
        "status": "active", "status_reason": null,
    });
    for (name, value) in defaults.as_object().unwrap() {
        assert_eq!(plain.created[name], *value, "{name}: {}", plain.created);
    }
    assert!(plain.id.starts_with("ep_"), "{}", plain.id);
    assert_eq!(plain.created["created_at"], plain.created["updated_at"]);

    let fields = json!({
        "name": "orders", "description": "of the shop",
        "subscriptions": [{"event_type": "order.*", "filter": {"amount": {"gt": 1.5}}}, {"event_type": "a.b"}],
        "retry": {"strategy": "schedule", "schedule": "standard-webhooks"}, "timeout_seconds": 30,
        "default": true, "metadata": {"team": "billing"}, "rate_limit": {"per_second": 0.5, "burst": 20},
    });
    let full = tenant.endpoint(&receiver.url("/full"), fields.clone()).await;
    for name in ["name", "description", "timeout_seconds", "default", "metadata", "rate_limit"] {
        assert_eq!(full.created[name], fields[name], "{name}");
    }
    let [order, other] = list(&full.created, "subscriptions") else { panic!("two: {}", full.created) };
    assert_eq!(
        (&order["event_type"], &order["filter"]),
        (&json!("order.*"), &json!({"amount": {"gt": 1.5}}))
    );
    assert_eq!(other["event_type"], "a.b");
    assert_eq!(full.created["retry"]["strategy"], "schedule");
    assert_eq!(full.created["retry"]["max_attempts"], 10);

    for endpoint in [&plain, &full] {
        let read = tenant.admin.get(&format!("/v1/endpoints/{}", endpoint.id)).await.expect(200).json();
        let mut created = endpoint.created.clone();
        created.as_object_mut().unwrap().remove("secret");
        assert_eq!(read, created);
    }
    let mut listed = pages::texts(&pages::all(&tenant.admin, "/v1/endpoints", 1).await, "id");
    listed.sort();
    let mut created = [plain.id, full.id];
    created.sort();
    assert_eq!(listed, created);
}

pub(crate) async fn a_change_takes_effect_for_the_next_event(target: &Target) {
    let tenant = target.tenant("change").await;
    let receiver = Receiver::start().await;
    let fields = json!({"subscriptions": [{"event_type": "a.*"}], "description": "before"});
    let endpoint = tenant.endpoint(&receiver.url("/before"), fields).await;
    let route = format!("/v1/endpoints/{}", endpoint.id);
    let first = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&first, &endpoint.id, "delivered").await;

    let change = json!({
        "name": "renamed", "description": null, "subscriptions": [{"event_type": "b.*"}],
        "config": {"url": receiver.url("/after"), "headers": {"X-Now": "1"}}, "timeout_seconds": 3,
    });
    let changed = tenant.admin.patch(&route, &change).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("renamed"), &json!(null)));
    assert_eq!(changed["timeout_seconds"], 3);
    assert!(text(&changed, "updated_at") >= text(&changed, "created_at"), "{changed}");
    assert!(changed.get("secret").is_none(), "{changed}");
    assert_eq!(tenant.admin.get(&route).await.expect(200).json(), changed);

    tenant.publish(&json!({"type": "a.b", "data": 2})).await;
    let second = tenant.publish(&json!({"type": "b.c", "data": 3})).await;
    let request = receiver.wait_for("/after", 1).await.remove(0);
    assert_eq!((request.webhook_id(), request.header("x-now")), (second.as_str(), "1"));
    assert!(signature::is_valid(&request, &endpoint.secret), "the secret has changed");
    tenant.delivery(&second, &endpoint.id, "delivered").await;
    assert_eq!((receiver.count("/before"), receiver.count("/after")), (1, 1));
}

pub(crate) async fn a_configuration_is_merged(target: &Target) {
    let tenant = target.tenant("merge").await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/hook");
    let config = json!({
        "headers": {"X-A": "1", "X-B": "2"}, "auth": {"type": "basic", "username": "u", "password": "sesame-1"},
        "method": "PUT", "success_codes": ["2xx", 404],
    });
    let endpoint = tenant.endpoint(&url, json!({"config": config})).await;
    let route = format!("/v1/endpoints/{}", endpoint.id);
    let change = json!({"config": {
        "headers": {"X-A": null, "X-C": "3"}, "auth": {"username": "v"}, "method": null, "success_codes": ["2xx"],
    }});
    let changed = tenant.admin.patch(&route, &change).await.expect(200).json();
    let expected = json!({
        "url": url, "headers": {"X-B": "2", "X-C": "3"}, "success_codes": ["2xx"],
        "auth": {"type": "basic", "username": "v", "password": "********"},
    });
    assert_eq!(changed["config"], expected);
    for field in ["name", "subscriptions", "retry", "timeout_seconds", "metadata"] {
        assert_eq!(changed[field], endpoint.created[field], "{field}");
    }
    tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("authorization"), "Basic djpzZXNhbWUtMQ==");
    assert_eq!((request.header("x-a"), request.header("x-b"), request.header("x-c")), ("", "2", "3"));
}

pub(crate) async fn a_deleted_endpoint_gets_nothing_more(target: &Target) {
    let tenant = target.tenant("delete").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let route = format!("/v1/endpoints/{}", endpoint.id);
    let first = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&first, &endpoint.id, "delivered").await;
    tenant.admin.call(reqwest::Method::POST, &format!("{route}/pause"), None).await.expect(200);
    let waiting = tenant.publish(&json!({"type": "a.b", "data": 2})).await;
    tenant.delivery(&waiting, &endpoint.id, "parked").await;
    tenant.admin.delete(&route).await.expect(204);

    tenant.admin.get(&route).await.problem(404, "not-found");
    tenant.admin.delete(&route).await.problem(404, "not-found");
    let listed = tenant.admin.get("/v1/endpoints").await.expect(200).json();
    assert_eq!(pages::texts(list(&listed, "items"), "id"), std::slice::from_ref(&other.id));
    let third = tenant.publish(&json!({"type": "a.b", "data": 3})).await;
    tenant.delivery(&third, &other.id, "delivered").await;
    let stored = tenant.admin.get(&format!("/v1/events/{third}")).await.expect(200).json();
    assert_eq!(list(&stored, "endpoints").len(), 1, "{stored}");
    let named = json!({"type": "a.b", "data": 4, "endpoints": [endpoint.id]});
    let refused = tenant.admin.post("/v1/events", &named).await;
    refused.problem_with(422, "validation", "endpoints[0]");
    assert_eq!(receiver.count("/hook"), 1);
}

pub(crate) async fn the_secret_is_shown_once_and_on_request(target: &Target) {
    let tenant = target.tenant("secret").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    assert!(endpoint.secret.starts_with("whsec_"), "{}", endpoint.created);
    let other = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    assert_ne!(endpoint.secret, other.secret);
    let route = format!("/v1/endpoints/{}", endpoint.id);
    let shown = tenant.admin.get(&format!("{route}/secret")).await.expect(200).json();
    assert_eq!(shown["secret"], endpoint.secret.as_str());
    let [key] = list(&shown, "keys") else { panic!("one key: {shown}") };
    assert_eq!((&key["secret"], &key["expires_at"]), (&shown["secret"], &json!(null)));
    let changed = tenant.admin.patch(&route, &json!({"name": "renamed"})).await.expect(200).json();
    let read = tenant.admin.get(&route).await.expect(200).json();
    let listed = tenant.admin.get("/v1/endpoints").await.expect(200).json();
    let paused =
        tenant.admin.call(reqwest::Method::POST, &format!("{route}/pause"), None).await.expect(200).json();
    let hidden = |value: &Value| !value.to_string().contains("whsec_");
    assert!([changed, read, listed, paused].iter().all(hidden));
    for role in ["publisher", "viewer"] {
        tenant.caller(role).await.get(&format!("{route}/secret")).await.problem(403, "forbidden");
    }
}
