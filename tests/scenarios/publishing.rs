//! From `POST /v1/events` to the receiver.

use std::collections::HashSet;

use postrider_tests::tenant::{list, text};
use postrider_tests::{Answer, Receiver, Target, Tenant, signature};
use serde_json::json;

pub(crate) async fn a_published_event_arrives_and_is_on_record(target: &Target) {
    let tenant = target.tenant("publish").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::ok().header("x-request-id", "r-1").body("thank you")]);
    let endpoint = tenant.endpoint(&receiver.url("/hook?a=1"), json!({})).await;
    let event = json!({
        "type": "payment.success", "data": {"amount": 125}, "occurred_at": "2026-01-31T13:00:00.5+01:00",
        "source": "shop", "correlation_id": "order-17", "tags": ["a", "b"],
    });
    let id = tenant.publish(&event).await;

    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!((request.method.as_str(), request.query.as_deref()), ("POST", Some("a=1")));
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("Postrider/"), "{request:?}");
    assert_eq!(request.webhook_id(), id);
    assert!(signature::is_valid(&request, &endpoint.secret), "{request:?}");
    assert!(!signature::is_valid(&request, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
    let envelope = request.envelope();
    assert_eq!((envelope.id.as_str(), envelope.event_type.as_str()), (id.as_str(), "payment.success"));
    assert_eq!(envelope.timestamp, "2026-01-31T12:00:00.500Z");
    assert_eq!(envelope.data.get(), r#"{"amount":125}"#);

    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(delivery["event_type"], "payment.success");
    assert_eq!(delivery["channel"], "webhook");
    assert_eq!((&delivery["attempt_count"], &delivery["max_attempts"]), (&json!(1), &json!(5)));
    assert_eq!((&delivery["response_status"], &delivery["error"]), (&json!(200), &json!(null)));
    assert!(delivery["next_attempt_at"].is_null() && delivery["dead_letter_id"].is_null(), "{delivery}");
    assert!(text(&delivery, "delivered_at") >= text(&delivery, "created_at"), "{delivery}");
    let [attempt] = list(&delivery, "attempts") else { panic!("one attempt: {delivery}") };
    assert_eq!((&attempt["number"], &attempt["outcome"]), (&json!(1), &json!("delivered")));
    assert_eq!(attempt["request"]["method"], "POST");
    assert_eq!(attempt["request"]["url"], receiver.url("/hook?a=1"));
    assert_eq!(attempt["request"]["headers"]["webhook-id"], json!(id));
    assert_eq!(attempt["response_headers"]["x-request-id"], "r-1");
    assert_eq!(attempt["response_body"], "thank you");
    assert_eq!(attempt["response_body_truncated"], false);
    assert!(attempt["duration_ms"].is_u64(), "{attempt}");

    let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
    for field in ["type", "data", "source", "correlation_id", "tags"] {
        assert_eq!(stored[field], event[field], "{field}");
    }
    assert_eq!(stored["occurred_at"], "2026-01-31T12:00:00.500Z");
    let [explained] = list(&stored, "endpoints") else { panic!("one endpoint: {stored}") };
    assert_eq!((&explained["endpoint_id"], &explained["matched"]), (&json!(endpoint.id), &json!(true)));
    assert_eq!(explained["delivery"]["id"], delivery["id"]);
}

pub(crate) async fn an_event_goes_to_every_endpoint_that_asked(target: &Target) {
    let tenant = target.tenant("fan-out").await;
    let receiver = Receiver::start().await;
    let mut endpoints = Vec::new();
    for number in 0..20 {
        let url = receiver.url(&format!("/{number}"));
        let pattern = if number % 2 == 0 { "order.*" } else { "invoice.*" };
        let fields = json!({"name": format!("e{number}"), "subscriptions": [{"event_type": pattern}]});
        endpoints.push(tenant.endpoint(&url, fields).await);
    }
    let id = tenant.publish(&json!({"type": "order.created", "data": {"n": 1}})).await;
    for (number, endpoint) in endpoints.iter().enumerate().filter(|(number, _)| number % 2 == 0) {
        let request = receiver.wait_for(&format!("/{number}"), 1).await.remove(0);
        assert!(
            signature::is_valid(&request, &endpoint.secret),
            "signed with the secret of another endpoint"
        );
        tenant.delivery(&id, &endpoint.id, "delivered").await;
    }
    let deliveries = tenant.admin.get(&format!("/v1/deliveries?event_id={id}")).await.expect(200).json();
    assert_eq!(list(&deliveries, "items").len(), 10, "{deliveries}");
    for number in 0..20 {
        assert_eq!(receiver.count(&format!("/{number}")), usize::from(number % 2 == 0), "/{number}");
    }
}

pub(crate) async fn an_event_can_name_its_endpoints(target: &Target) {
    let tenant = target.tenant("named").await;
    let receiver = Receiver::start().await;
    let named = tenant.endpoint(&receiver.url("/named"), json!({"subscriptions": []})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let event = json!({"type": "a.b", "data": 1, "endpoints": [named.id]});
    let id = tenant.publish(&event).await;
    receiver.wait_for("/named", 1).await;
    tenant.delivery(&id, &named.id, "delivered").await;
    assert_only(&tenant, &receiver, &id, &other.id).await;
}

pub(crate) async fn an_event_can_be_for_the_default_endpoints(target: &Target) {
    let tenant = target.tenant("default").await;
    let receiver = Receiver::start().await;
    let fields = json!({"subscriptions": [], "default": true});
    let default = tenant.endpoint(&receiver.url("/default"), fields).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1, "endpoints": "default"})).await;
    receiver.wait_for("/default", 1).await;
    tenant.delivery(&id, &default.id, "delivered").await;
    assert_only(&tenant, &receiver, &id, &other.id).await;
}

pub(crate) async fn a_test_event_goes_to_its_endpoint_alone(target: &Target) {
    let tenant = target.tenant("test-event").await;
    let receiver = Receiver::start().await;
    let tested = tenant.endpoint(&receiver.url("/tested"), json!({"subscriptions": []})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let route = format!("/v1/endpoints/{}/test", tested.id);
    let accepted = tenant.admin.call(reqwest::Method::POST, &route, None).await.expect(202).json();
    let request = receiver.wait_for("/tested", 1).await.remove(0);
    assert_eq!(request.webhook_id(), text(&accepted, "event_id"));
    assert_eq!(request.envelope().event_type, "postrider.test");
    assert_eq!(request.json()["data"], json!({"message": "This is a test event from Postrider."}));
    let delivery = tenant.delivery(text(&accepted, "event_id"), &tested.id, "delivered").await;
    assert_eq!(delivery["id"], accepted["delivery_id"]);

    let own = json!({"type": "order.created", "data": {"n": 1.10}});
    let accepted = tenant.admin.post(&route, &own).await.expect(202).json();
    let request = receiver.wait_for("/tested", 2).await.remove(1);
    assert_eq!(request.envelope().event_type, "order.created");
    assert_only(&tenant, &receiver, text(&accepted, "event_id"), &other.id).await;
}

/// An event did not go to `/other`, where everything that is not addressed goes.
async fn assert_only(tenant: &Tenant, receiver: &Receiver, id: &str, other: &str) {
    let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
    let mut explained = list(&stored, "endpoints").iter();
    let other = explained.find(|explained| explained["endpoint_id"] == other).unwrap();
    assert_eq!((&other["matched"], &other["delivery"]), (&json!(false), &json!(null)), "{other}");
    // Whatever was sent before this has been sent when this arrives.
    let last = tenant.publish(&json!({"type": "a.last", "data": 1})).await;
    let requests = receiver.wait_for("/other", 1).await;
    let ids: Vec<_> = requests.iter().map(|request| request.webhook_id()).collect();
    assert_eq!(ids, [last]);
}

pub(crate) async fn connections_are_used_again(target: &Target) {
    const EVENTS: usize = 20;
    let tenant = target.tenant("connections").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    for number in 0..EVENTS {
        let id = tenant.publish(&json!({"type": "a.b", "data": number})).await;
        tenant.delivery(&id, &endpoint.id, "delivered").await;
    }
    let requests = receiver.requests("/hook");
    let connections: HashSet<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(requests.len(), EVENTS);
    assert!(connections.len() <= EVENTS / 2, "{} connections for {EVENTS} requests", connections.len());
}
