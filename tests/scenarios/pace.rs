//! When events are delivered: at the endpoint's pace, at their own time, urgent ones past the others.

use std::time::Duration;

use postrider_tests::tenant::text;
use postrider_tests::{Receiver, Target, Tenant, eventually};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) async fn an_endpoint_is_called_at_its_own_pace(target: &Target) {
    let tenant = target.tenant("rate").await;
    let receiver = Receiver::start().await;
    let limit = json!({"rate_limit": {"per_second": 4, "burst": 2}});
    let endpoint = tenant.endpoint(&receiver.url("/slowly"), limit).await;
    let events = vec![json!({"type": "a.b", "data": 1}); 14];
    let published =
        tenant.admin.post("/v1/events/batch", &json!({"events": events})).await.expect(200).json();
    let requests = receiver.wait_for("/slowly", 14).await;
    // Two at once, then four a second; a few more where several instances are at work.
    let took = requests.last().unwrap().arrived - requests[0].arrived;
    assert!(took >= Duration::from_secs(2), "{took:?}");
    for item in published["items"].as_array().unwrap() {
        let delivery = tenant.delivery(text(item, "event_id"), &endpoint.id, "delivered").await;
        assert_eq!(delivery["attempt_count"], 1, "a wait is no attempt: {delivery}");
    }
    assert_eq!(receiver.count("/slowly"), 14);
}

pub(crate) async fn a_tenant_publishes_within_its_limit(target: &Target) {
    let tenant = target.tenant("publish-limit").await;
    let path = format!("/v1/tenants/{}", tenant.id);
    let limit = json!({"publish_limit": {"per_second": 0.1, "burst": 2}});
    let changed = target.platform().patch(&path, &limit).await.expect(200).json();
    assert_eq!(changed["publish_limit"], limit["publish_limit"]);
    let event = json!({"type": "a.b", "data": 1});
    for _ in 0..2 {
        tenant.publish(&event).await;
    }
    let refused = tenant.admin.post("/v1/events", &event).await;
    let problem = refused.problem(429, "rate-limited");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(problem["retry_after"], seconds);
    let batch = tenant.admin.post("/v1/events/batch", &json!({"events": [event]})).await.expect(200).json();
    assert_eq!(batch["items"][0]["problem"]["status"], 429);
}

/// A moment that is so much later than the tenant's latest event.
async fn later(tenant: &Tenant, by: time::Duration) -> String {
    let event =
        tenant.admin.post("/v1/events", &json!({"type": "clock", "data": 1})).await.expect(202).json();
    let now = OffsetDateTime::parse(text(&event, "accepted_at"), &Rfc3339).unwrap();
    (now + by).format(&Rfc3339).unwrap()
}

async fn status(tenant: &Tenant, id: &str) -> Value {
    tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json()["status"].clone()
}

pub(crate) async fn an_event_for_later_arrives_then_unless_it_is_cancelled(target: &Target) {
    let tenant = target.tenant("later").await;
    let receiver = Receiver::start().await;
    let soon = later(&tenant, time::Duration::seconds(3)).await;
    let tomorrow = later(&tenant, time::Duration::days(1)).await;
    tenant.endpoint(&receiver.url("/hook"), json!({"subscriptions": [{"event_type": "a.b"}]})).await;
    let event = |at: &str| json!({"type": "a.b", "data": 1, "deliver_at": at});
    let arrives = tenant.publish(&event(&soon)).await;
    let cancelled = tenant.publish(&event(&soon)).await;
    let much_later = tenant.publish(&event(&tomorrow)).await;
    for id in [&arrives, &cancelled, &much_later] {
        assert_eq!(status(&tenant, id).await, "scheduled");
    }
    for id in [&cancelled, &much_later] {
        let path = format!("/v1/events/{id}/cancel");
        let shown = tenant.admin.post(&path, &json!({})).await.expect(200).json();
        assert_eq!((&shown["status"], &shown["id"]), (&json!("cancelled"), &json!(id)));
    }
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(request.webhook_id(), arrives);
    assert_eq!(status(&tenant, &arrives).await, "accepted");
    let path = format!("/v1/events/{arrives}/cancel");
    tenant.admin.post(&path, &json!({})).await.problem(409, "conflict");
    // What was cancelled would have arrived before this.
    let last = tenant.publish(&json!({"type": "a.b", "data": 2})).await;
    let ids: Vec<_> = receiver.wait_for("/hook", 2).await.iter().map(|r| r.webhook_id().to_owned()).collect();
    assert_eq!(ids, [arrives, last]);
}

pub(crate) async fn an_urgent_event_arrives_and_says_so(target: &Target) {
    let tenant = target.tenant("urgent").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    for priority in [10, 8, 7, 0] {
        let id = tenant.publish(&json!({"type": "a.b", "data": 1, "priority": priority})).await;
        tenant.delivery(&id, &endpoint.id, "delivered").await;
        let shown = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
        assert_eq!(shown["priority"], priority);
    }
    eventually("all of them to arrive", async || match receiver.count("/hook") {
        4 => Ok(()),
        count => Err(format!("{count}")),
    })
    .await;
}
