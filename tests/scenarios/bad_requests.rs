//! Other requests that are refused.

use postrider_tests::tenant::{endpoint_request, text};
use postrider_tests::{Client, Receiver, Target, client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::tables::assert_refused;

pub(crate) async fn endpoints_are_refused_by_field(target: &Target) {
    let tenant = target.tenant("bad-endpoints").await;
    let receiver = Receiver::start().await;
    let long = "x".repeat(129);
    let filter = |filter: Value| json!({"subscriptions": [{"event_type": "*"}, {"event_type": "*", "filter": filter}]});
    let cases = [
        (json!({"name": 7}), 400, "name"),
        (json!({"name": null}), 422, "name"),
        (json!({"name": ""}), 422, "name"),
        (json!({"name": long}), 422, "name"),
        (json!({"colour": "red"}), 400, "colour"),
        (json!({"channel": "pigeon"}), 422, "channel"),
        (json!({"channel": null}), 422, "channel"),
        (json!({"config": null}), 422, "config"),
        (json!({"subscriptions": "*"}), 400, "subscriptions"),
        (
            json!({"subscriptions": [{"event_type": "*"}, {"event_type": 7}]}),
            400,
            "subscriptions[1].event_type",
        ),
        (json!({"subscriptions": [{}]}), 422, "subscriptions[0].event_type"),
        (json!({"subscriptions": [{"event_type": "a.*.b"}]}), 422, "subscriptions[0].event_type"),
        (json!({"subscriptions": [{"event_type": "a", "pattern": 1}]}), 400, "subscriptions[0].pattern"),
        (json!({"subscriptions": vec![json!({"event_type": "*"}); 41]}), 422, "subscriptions"),
        (filter(json!([])), 422, "subscriptions[1].filter"),
        (filter(json!({"amount": {"gtt": 1}})), 422, "subscriptions[1].filter.amount.gtt"),
        (filter(json!({"amount": {}})), 422, "subscriptions[1].filter.amount"),
        (filter(json!({"amount": {"gt": true}})), 422, "subscriptions[1].filter.amount.gt"),
        (filter(json!({"tag": {"in": "a"}})), 422, "subscriptions[1].filter.tag.in"),
        (filter(json!({"or": []})), 422, "subscriptions[1].filter.or"),
        (
            filter(json!({"and": [{"a": 1}, {"b": {"like": 1}}]})),
            422,
            "subscriptions[1].filter.and[1].b.like",
        ),
        (json!({"retry": 7}), 400, "retry"),
        (json!({"retry": {"strategy": "random"}}), 422, "retry.strategy"),
        (json!({"retry": {"max_attempts": 0}}), 422, "retry.max_attempts"),
        (json!({"retry": {"max_attempts": 1.5}}), 422, "retry.max_attempts"),
        (json!({"retry": {"max_attempts": "five"}}), 400, "retry.max_attempts"),
        (json!({"retry": {"initial_delay": -1}}), 422, "retry.initial_delay"),
        (json!({"retry": {"max_delay": 86_401}}), 422, "retry.max_delay"),
        (json!({"retry": {"multiplier": 0.5}}), 422, "retry.multiplier"),
        (json!({"retry": {"jitter": 2}}), 422, "retry.jitter"),
        (json!({"retry": {"strategy": "fixed", "multiplier": 2}}), 422, "retry.multiplier"),
        (json!({"retry": {"schedule": [1]}}), 422, "retry.schedule"),
        (json!({"retry": {"strategy": "schedule"}}), 422, "retry.schedule"),
        (json!({"retry": {"strategy": "schedule", "schedule": "daily"}}), 422, "retry.schedule"),
        (
            json!({"retry": {"strategy": "schedule", "schedule": [1], "max_attempts": 3}}),
            422,
            "retry.max_attempts",
        ),
        (json!({"retry": {"tries": 3}}), 400, "retry.tries"),
        (json!({"timeout_seconds": 0.5}), 422, "timeout_seconds"),
        (json!({"timeout_seconds": 31}), 422, "timeout_seconds"),
        (json!({"timeout_seconds": "10"}), 400, "timeout_seconds"),
        (json!({"default": "yes"}), 400, "default"),
        (json!({"metadata": {"a": 1}}), 400, "metadata.a"),
        (json!({"metadata": {"a": "x".repeat(257)}}), 422, "metadata.a"),
        (json!({"config": {"url": 7}}), 422, "config.url"),
        (json!({"config": {"colour": "red"}}), 422, "config.colour"),
        (json!({"config": {"method": "GET"}}), 422, "config.method"),
        (json!({"config": {"payload": "xml"}}), 422, "config.payload"),
        (json!({"config": {"link_ttl_seconds": 60}}), 422, "config.link_ttl_seconds"),
        (json!({"config": {"payload": "thin", "link_ttl_seconds": 59}}), 422, "config.link_ttl_seconds"),
        (json!({"config": {"headers": {"Host": "x"}}}), 422, "config.headers.Host"),
        (json!({"config": {"headers": {"webhook-id": "x"}}}), 422, "config.headers.webhook-id"),
        (json!({"config": {"headers": {"X-A": "a\nb"}}}), 422, "config.headers.X-A"),
        (json!({"config": {"auth": {"type": "oauth"}}}), 422, "config.auth.type"),
        (json!({"config": {"auth": {"type": "bearer"}}}), 422, "config.auth.token"),
        (json!({"config": {"auth": {"type": "bearer", "token": "********"}}}), 422, "config.auth.token"),
        (
            json!({"config": {"auth": {"type": "basic", "username": "a:b", "password": "p"}}}),
            422,
            "config.auth.username",
        ),
        (json!({"config": {"signature": {"scheme": "body"}}}), 422, "config.signature.header"),
        (json!({"config": {"signature": {"scheme": "md5"}}}), 422, "config.signature.scheme"),
        (json!({"config": {"success_codes": [200, 302]}}), 422, "config.success_codes[1]"),
        (json!({"config": {"ip_allowlist": ["10.0.0.0/8", "x"]}}), 422, "config.ip_allowlist[1]"),
    ];
    let bodies = cases.map(|(fields, status, field)| {
        let mut body = endpoint_request(&receiver.url("/hook"), fields);
        // A member that is to be missing.
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        (body.to_string(), status, field)
    });
    let table: Vec<_> = bodies.iter().map(|(body, status, field)| (body.as_str(), *status, *field)).collect();
    assert_refused(&tenant.admin, Method::POST, "/v1/endpoints", &table).await;
    let endpoints = tenant.admin.get("/v1/endpoints").await.expect(200).json();
    assert_eq!(endpoints["items"], json!([]), "something was created");

    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let route = format!("/v1/endpoints/{}", endpoint.id);
    let changes = [
        (r#"{"channel":"slack"}"#, 422, "channel"),
        (r#"{"status":"paused"}"#, 400, "status"),
        (r#"{"name":""}"#, 422, "name"),
        (r#"{"config":{"url":null}}"#, 422, "config.url"),
        (r#"{"config":7}"#, 422, "config"),
        (r#"{"subscriptions":[{"event_type":"**"}]}"#, 422, "subscriptions[0].event_type"),
    ];
    assert_refused(&tenant.admin, Method::PATCH, &route, &changes).await;
    let mut created = endpoint.created;
    created.as_object_mut().unwrap().remove("secret");
    assert_eq!(tenant.admin.get(&route).await.expect(200).json(), created);
}

pub(crate) async fn other_bodies_are_refused_by_field(target: &Target) {
    let tenant = target.tenant("bad-others").await;
    let keys = [
        (r#"{"role":"admin"}"#, 422, "name"),
        (r#"{"name":"k"}"#, 422, "role"),
        (r#"{"name":"k","role":"owner"}"#, 422, "role"),
        (r#"{"name":"k","role":7}"#, 400, "role"),
        (r#"{"name":"","role":"admin"}"#, 422, "name"),
        (r#"{"name":"k","role":"admin","expires_at":"soon"}"#, 422, "expires_at"),
        (r#"{"name":"k","role":"admin","allowed_cidrs":["10.0.0.0/33"]}"#, 422, "allowed_cidrs[0]"),
        (r#"{"name":"k","role":"admin","allowed_cidrs":"10.0.0.0/8"}"#, 400, "allowed_cidrs"),
        (r#"{"name":"k","role":"admin","tenant":"other"}"#, 400, "tenant"),
    ];
    assert_refused(&tenant.admin, Method::POST, "/v1/keys", &keys).await;
    let tenants = [
        (r#"{"name":"n"}"#, 422, "id"),
        (r#"{"id":"t-1"}"#, 422, "name"),
        (r#"{"id":"Upper","name":"n"}"#, 422, "id"),
        (r#"{"id":"a/b","name":"n"}"#, 422, "id"),
        (r#"{"id":7,"name":"n"}"#, 400, "id"),
        (r#"{"id":"t-1","name":"n","plan":"free"}"#, 400, "plan"),
    ];
    assert_refused(&target.platform(), Method::POST, "/v1/tenants", &tenants).await;
    let redrives = [
        (r#"{"ids":[]}"#, 422, "ids"),
        (r#"{"ids":["dl_1"]}"#, 422, "ids[0]"),
        (r#"{"ids":[7]}"#, 400, "ids[0]"),
        (r#"{"filter":{"endpoint_id":"ep_1"}}"#, 422, "filter.endpoint_id"),
        (r#"{"filter":{},"rate":0}"#, 422, "rate"),
        (r#"{"filter":{},"rate":1001}"#, 422, "rate"),
        (r#"{"filter":{"state":"pending"}}"#, 400, "filter.state"),
    ];
    assert_refused(&tenant.admin, Method::POST, "/v1/dead-letters/redrive", &redrives).await;
    let nothing = tenant.admin.post("/v1/dead-letters/redrive", &json!({})).await;
    nothing.problem(422, "validation");
}

pub(crate) async fn queries_are_refused_by_parameter(target: &Target) {
    let tenant = target.tenant("bad-queries").await;
    for list in ["events", "endpoints", "deliveries", "dead-letters", "jobs", "keys", "reconciliation"] {
        for query in
            ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "cursor=x", "cursor=", "colour=red"]
        {
            refused(&tenant.admin, list, query).await;
        }
        let twice = tenant.admin.get(&format!("/v1/{list}?limit=1&limit=2")).await;
        twice.problem_with(400, "bad-request", "limit");
    }
    for query in ["type=a..b", "type=", "since=yesterday", "until=2026-13-01T00:00:00Z", "event_id=x"] {
        refused(&tenant.admin, "events", query).await;
    }
    let deliveries =
        ["status=lost", "endpoint_id=x", "event_id=a.b", "event_type=a..b", "since=1", "until=x", "type=a"];
    for query in deliveries {
        refused(&tenant.admin, "deliveries", query).await;
    }
    for query in ["state=lost", "endpoint_id=x", "reason=bad", "event_type=a..b", "since=1", "until=x"] {
        refused(&tenant.admin, "dead-letters", query).await;
    }
    for query in ["state=lost", "since=1", "until=x", "hour=2026-01-31T12"] {
        refused(&tenant.admin, "reconciliation", query).await;
    }
}

/// Checks that a list refuses a query and names the parameter.
async fn refused(client: &Client, list: &str, query: &str) {
    let (name, _) = query.split_once('=').unwrap();
    let answer = client.get(&format!("/v1/{list}?{query}")).await;
    answer.problem_with(400, "bad-request", name);
}

pub(crate) async fn unknown_ids_are_not_found(target: &Target) {
    let tenant = target.tenant("unknown").await;
    let ulid = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";
    let ids = [
        "x",
        "a.b",
        "%00",
        "%E9",
        "..%2f..%2fevents",
        "' OR 1=1 --",
        &format!("ep_{ulid}"),
        &"x".repeat(2_000),
    ];
    for id in ids {
        for route in ["events", "endpoints", "deliveries"] {
            tenant
                .admin
                .get(&format!("/v1/{route}/{}", id.replace(' ', "%20")))
                .await
                .problem(404, "not-found");
        }
    }
    let lower = format!("/v1/endpoints/ep_{}", ulid.to_lowercase());
    tenant.admin.get(&lower).await.problem(404, "not-found");
}

pub(crate) async fn unknown_routes_and_methods_are_refused(target: &Target) {
    let tenant = target.tenant("routes").await;
    for path in ["/v1", "/v1/nothing", "/v2/events", "/v1/events/a/b", "/nothing"] {
        tenant.admin.get(path).await.problem(404, "not-found");
    }
    let methods = [
        (Method::PUT, "/v1/events"),
        (Method::DELETE, "/v1/events"),
        (Method::PUT, "/v1/endpoints/ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2"),
        (Method::POST, "/v1/deliveries"),
        (Method::GET, "/v1/deliveries/dlv_1/retry"),
    ];
    for (method, path) in methods {
        tenant.admin.call(method, path, None).await.problem(405, "method-not-allowed");
    }
    let health = tenant.admin.without_key().get("/health").await.expect(200).json();
    assert_eq!(health, json!({"status": "ok"}));

    let keys = ["", "x", "prk_", "prk_01K8Z3V5Q2T9N4B7C6D5E4F3G2_00", "not-a-key-of-any-kind"];
    for key in keys {
        let refused = tenant.admin.with_key(key).get("/v1/events").await;
        refused.problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    let refused = tenant.admin.without_key().get("/v1/events").await;
    assert!(text(&refused.problem(401, "unauthorized"), "detail").contains("Authorization"));
    let basic =
        tenant.admin.without_key().request(Method::GET, "/v1/events").basic_auth("user", Some("password"));
    client::answer(basic).await.unwrap().problem(401, "unauthorized");
}
