//! Which events an endpoint gets: patterns, filters, and why or why not.

use postrider_tests::tenant::{list, text};
use postrider_tests::{Endpoint, Receiver, Target, Tenant};
use serde_json::{Value, json};

/// Endpoints by path, with what they subscribe to.
fn endpoints() -> Vec<(&'static str, Value)> {
    vec![
        ("/all", json!([{"event_type": "*"}])),
        ("/exact", json!([{"event_type": "payment.success"}])),
        ("/below", json!([{"event_type": "payment.*"}])),
        ("/none", json!([])),
        ("/large", json!([{"event_type": "payment.*", "filter": {"amount": {"gt": 100}}}])),
        ("/region", json!([{"event_type": "*", "filter": {"region": "US", "tag": {"in": ["a", "b"]}}}])),
        ("/nested", json!([{"event_type": "*", "filter": {"user.name": {"prefix": "A"}}}])),
        (
            "/either",
            json!([{"event_type": "*", "filter": {"or": [{"amount": 7}, {"region": {"exists": false}}]}}]),
        ),
        ("/not", json!([{"event_type": "payment.*", "filter": {"not": {"region": "US"}}}])),
        (
            "/two",
            json!([
                {"event_type": "payment.refund", "filter": {"amount": {"lt": 0}}},
                {"event_type": "payment.success", "filter": {"items": {"contains": "x"}}},
            ]),
        ),
    ]
}

/// Events, with the paths they reach.
fn events() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "payment.success",
            json!({"amount": 125, "region": "US", "tag": "b", "user": {"name": "Ann"}}),
            vec!["/all", "/exact", "/below", "/large", "/region", "/nested"],
        ),
        (
            "payment.success",
            json!({"amount": 100, "items": ["x"]}),
            vec!["/all", "/exact", "/below", "/either", "/not", "/two"],
        ),
        (
            "payment.refund.done",
            json!({"amount": 100.5, "region": "DE"}),
            vec!["/all", "/below", "/large", "/not"],
        ),
        ("payment", json!({"amount": 7, "region": "US", "tag": "c"}), vec!["/all", "/either"]),
        ("payments.success", json!({"amount": "125", "region": "us"}), vec!["/all"]),
        ("order.created", json!({"user.name": "Al", "region": null}), vec!["/all", "/nested"]),
        ("order.created", json!([1, 2]), vec!["/all", "/either"]),
        ("order.created", json!("text"), vec!["/all", "/either"]),
    ]
}

pub(crate) async fn patterns_and_filters_decide_who_gets_an_event(target: &Target) {
    let tenant = target.tenant("matching").await;
    let receiver = Receiver::start().await;
    let mut created = Vec::new();
    for (path, subscriptions) in endpoints() {
        let fields = json!({"name": path, "subscriptions": subscriptions});
        created.push((path, tenant.endpoint(&receiver.url(path), fields).await));
    }
    for (event_type, data, paths) in events() {
        let id = tenant.publish(&json!({"type": event_type, "data": data})).await;
        for (_, endpoint) in created.iter().filter(|(path, _)| paths.contains(path)) {
            tenant.delivery(&id, &endpoint.id, "delivered").await;
        }
        let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
        for (path, endpoint) in &created {
            let explained = explanation(&stored, endpoint);
            let wanted = paths.contains(path);
            assert_eq!(explained["matched"], wanted, "{path} for {event_type} {data}: {explained}");
            assert_eq!(explained["delivery"].is_object(), wanted, "{path}: {explained}");
            assert_eq!(explained["name"], *path);
            assert_ne!(text(explained, "reason"), "", "{path}");
            let arrived = receiver.requests(path).iter().filter(|request| request.webhook_id() == id).count();
            assert_eq!(arrived, usize::from(wanted), "{path} for {event_type} {data}");
        }
    }
}

pub(crate) async fn numbers_are_compared_exactly(target: &Target) {
    let tenant = target.tenant("numbers").await;
    let receiver = Receiver::start().await;
    // 2^53 + 1 is no double; neither is 0.1 + 0.2 = 0.3 true for doubles.
    let filter = json!({"n": {"gt": 9_007_199_254_740_992_u64}});
    let fields = json!({"subscriptions": [{"event_type": "*", "filter": filter}]});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), fields).await;
    let mut expected = Vec::new();
    for (data, matches) in [
        ("9007199254740993", true),
        ("9007199254740992", false),
        ("9007199254740992.0000000000000000000000000001", true),
        ("9.007199254740993e15", true),
        ("12345678901234567890123456789012345678901234567890123456789012345", true),
        ("-9007199254740993", false),
    ] {
        let event = format!(r#"{{"type":"a.b","data":{{"n":{data}}}}}"#);
        let accepted = tenant.admin.post_text("/v1/events", event).await.expect(202).json();
        let id = text(&accepted, "event_id").to_owned();
        if matches {
            tenant.delivery(&id, &endpoint.id, "delivered").await;
            expected.push(id);
        } else {
            let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
            assert_eq!(explanation(&stored, &endpoint)["matched"], false, "{data}");
        }
    }
    let arrived: Vec<_> = receiver.requests("/hook").iter().map(|r| r.webhook_id().to_owned()).collect();
    assert_eq!(arrived, expected);
}

pub(crate) async fn the_explanation_names_the_condition(target: &Target) {
    let tenant = target.tenant("explanation").await;
    let receiver = Receiver::start().await;
    let filter = json!({"amount": {"gte": 100}, "user.name": {"prefix": "A"}});
    let fields = json!({"subscriptions": [{"event_type": "order.*", "filter": filter}]});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), fields).await;
    let reason = async |event_type: &str, data: Value| reason(&tenant, &endpoint, event_type, data).await;
    assert!(reason("invoice.sent", json!({})).await.contains("invoice.sent"));
    let small = reason("order.created", json!({"amount": 90})).await;
    assert!(small.contains("amount") && small.contains("90") && small.contains("100"), "{small}");
    let unnamed = reason("order.created", json!({"amount": 190})).await;
    assert!(unnamed.contains("user.name") && unnamed.contains("missing"), "{unnamed}");
    let matched = reason("order.created", json!({"amount": 190, "user": {"name": "Ann"}})).await;
    assert!(matched.contains("order.*"), "{matched}");
}

async fn reason(tenant: &Tenant, endpoint: &Endpoint, event_type: &str, data: Value) -> String {
    let id = tenant.publish(&json!({"type": event_type, "data": data})).await;
    let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
    text(explanation(&stored, endpoint), "reason").to_owned()
}

/// What an event means for an endpoint.
#[track_caller]
fn explanation<'a>(stored: &'a Value, endpoint: &Endpoint) -> &'a Value {
    let mut explained = list(stored, "endpoints").iter();
    explained.find(|explained| explained["endpoint_id"] == endpoint.id).unwrap()
}
