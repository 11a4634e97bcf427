//! One event id is one event, however often it is published.

use std::collections::HashMap;

use futures::future::join_all;
use postrider_tests::tenant::list;
use postrider_tests::{Client, Endpoint, Receiver, Target, Tenant};
use serde_json::{Value, json};

/// Publishes what was published before, and checks that it is recognised.
async fn publish_again(client: &Client, event: &Value, first: &Value) {
    let again = client.post("/v1/events", event).await.expect(200).json();
    assert_eq!(again["duplicate"], true, "{again}");
    assert_eq!((&again["event_id"], &again["accepted_at"]), (&first["event_id"], &first["accepted_at"]));
}

/// Checks that an event arrived once, by the time that one arrived which was published after everything else.
async fn assert_arrived_once(tenant: &Tenant, endpoint: &Endpoint, receiver: &Receiver, id: &str) {
    tenant.delivery(id, &endpoint.id, "delivered").await;
    tenant.publish(&json!({"event_id": "the-last", "type": "a.last", "data": 1})).await;
    tenant.delivery("the-last", &endpoint.id, "delivered").await;
    let mut arrived = HashMap::new();
    for request in receiver.requests("/hook") {
        *arrived.entry(request.webhook_id().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(arrived, HashMap::from([(id.to_owned(), 1), ("the-last".to_owned(), 1)]));
    let deliveries = tenant.admin.get("/v1/deliveries?limit=100").await.expect(200).json();
    assert_eq!(list(&deliveries, "items").len(), 2, "{deliveries}");
}

pub(crate) async fn an_event_that_is_published_twice_is_delivered_once(target: &Target) {
    let tenant = target.tenant("twice").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let event = json!({
        "event_id": "order:17-a_B", "type": "order.created", "data": {"n": 1.1}, "source": "shop",
        "correlation_id": "c-1", "tags": ["a"], "occurred_at": "2026-01-31T12:00:00Z",
    });
    let first = tenant.admin.post("/v1/events", &event).await.expect(202).json();
    assert_eq!((&first["event_id"], &first["duplicate"]), (&event["event_id"], &json!(false)));
    publish_again(&tenant.admin, &event, &first).await;
    tenant.delivery("order:17-a_B", &endpoint.id, "delivered").await;
    publish_again(&tenant.admin, &event, &first).await;
    assert_arrived_once(&tenant, &endpoint, &receiver, "order:17-a_B").await;
}

pub(crate) async fn another_event_cannot_have_the_same_id(target: &Target) {
    let tenant = target.tenant("conflict").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let event = json!({"event_id": "e-1", "type": "a.b", "data": {"n": 1}});
    let first = tenant.admin.post("/v1/events", &event).await.expect(202).json();
    let others = [
        r#"{"event_id":"e-1","type":"a.c","data":{"n":1}}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":2}}"#.to_owned(),
        // Data is text: another spelling is another event.
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1.0}}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n": 1}}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1},"source":"shop"}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1},"correlation_id":"c"}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1},"tags":["t"]}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1},"occurred_at":"2026-01-31T12:00:00Z"}"#.to_owned(),
        r#"{"event_id":"e-1","type":"a.b","data":{"n":1},"endpoints":"default"}"#.to_owned(),
        format!(r#"{{"event_id":"e-1","type":"a.b","data":{{"n":1}},"endpoints":["{}"]}}"#, endpoint.id),
    ];
    for other in others {
        let refused = tenant.admin.post_text("/v1/events", other).await;
        refused.problem(409, "conflict");
    }
    publish_again(&tenant.admin, &event, &first).await;
    assert_arrived_once(&tenant, &endpoint, &receiver, "e-1").await;
    assert_eq!(receiver.requests("/hook")[0].json()["data"], json!({"n": 1}));
}

pub(crate) async fn fifty_publishers_of_one_event_cause_one_delivery(target: &Target) {
    let tenant = target.tenant("fifty").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let event = json!({"event_id": "e-50", "type": "a.b", "data": {"n": 1}});
    let published = join_all((0..50).map(|_| tenant.admin.post("/v1/events", &event))).await;
    let statuses: Vec<_> = published.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 49, "{statuses:?}");
    let accepted_at = &published[0].json()["accepted_at"];
    for reply in &published {
        let accepted = reply.json();
        assert_eq!(accepted["duplicate"], reply.status == 200, "{accepted}");
        assert_eq!(accepted["accepted_at"], *accepted_at);
    }
    assert_arrived_once(&tenant, &endpoint, &receiver, "e-50").await;
}

pub(crate) async fn tenants_have_ids_of_their_own(target: &Target) {
    let receiver = Receiver::start().await;
    let event = json!({"event_id": "shared", "type": "a.b", "data": 1});
    for (number, path) in ["/one", "/two"].into_iter().enumerate() {
        let tenant = target.tenant("same-id").await;
        let endpoint = tenant.endpoint(&receiver.url(path), json!({})).await;
        let mut event = event.clone();
        event["data"] = number.into();
        tenant.publish(&event).await;
        tenant.delivery("shared", &endpoint.id, "delivered").await;
    }
    assert_eq!((receiver.count("/one"), receiver.count("/two")), (1, 1));
}
