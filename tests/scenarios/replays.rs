//! What was delivered is delivered again by request.

use std::collections::HashSet;

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Endpoint, Receiver, Target, Tenant, eventually, pages};
use serde_json::{Value, json};

/// How many events are published: more than one portion of a slow job.
const EVENTS: usize = 12;

/// Publishes events and waits until the endpoint has them. Answers their ids.
async fn deliver(tenant: &Tenant, receiver: &Receiver, path: &str) -> HashSet<String> {
    let mut ids = HashSet::new();
    for number in 0..EVENTS {
        let event_type = if number % 2 == 0 { "even.one" } else { "odd.one" };
        ids.insert(tenant.publish(&json!({"type": event_type, "data": number})).await);
    }
    receiver.wait_for(path, EVENTS).await;
    eventually("all deliveries to be on record", async || {
        let done = pages::all(&tenant.admin, "/v1/deliveries?status=delivered", 100).await;
        if done.len() == EVENTS { Ok(()) } else { Err(format!("{} of {EVENTS}", done.len())) }
    })
    .await;
    ids
}

/// Everything that an endpoint had.
fn ever() -> Value {
    json!({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"})
}

/// An endpoint that asked for nothing.
async fn bystander(tenant: &Tenant, url: &str) -> Endpoint {
    tenant.endpoint(url, json!({"subscriptions": [{"event_type": "nothing"}]})).await
}

pub(crate) async fn an_hour_is_replayed_to_another_endpoint(target: &Target) {
    let tenant = target.tenant("replay").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let ids = deliver(&tenant, &receiver, "/hook").await;
    let other = bystander(&tenant, &receiver.url("/other")).await;
    let path = format!("/v1/endpoints/{}/replay", endpoint.id);
    let mut order = ever();
    order["to_endpoint"] = json!(other.id);
    order["dry_run"] = json!(true);
    let counted = tenant.admin.post(&path, &order).await.expect(200).json();
    assert_eq!(counted, json!({"matched": EVENTS, "at_least": false}));
    order["event_types"] = json!(["even.*"]);
    assert_eq!(tenant.admin.post(&path, &order).await.expect(200).json()["matched"], EVENTS / 2);
    assert_eq!(receiver.count("/other"), 0, "a dry run sends nothing");

    order["event_types"] = json!([]);
    order["dry_run"] = json!(false);
    let job = tenant.admin.post(&path, &order).await.expect(202).json();
    let done = tenant.job(&job, "done").await;
    assert_eq!((&done["counts"]["sent"], &done["counts"]["skipped"]), (&json!(EVENTS), &json!(0)), "{done}");
    receiver.wait_for("/other", EVENTS).await;
    let requests = receiver.requests("/other");
    let arrived: HashSet<_> = requests.iter().map(|request| request.webhook_id().to_owned()).collect();
    assert_eq!((arrived, requests.len()), (ids, EVENTS));
    assert_eq!(receiver.count("/hook"), EVENTS, "its own endpoint gets nothing");
    let viewer = tenant.caller("viewer").await;
    viewer.post(&path, &order).await.problem(403, "forbidden");
    let publisher = tenant.caller("publisher").await;
    publisher.post(&path, &order).await.problem(403, "forbidden");
    assert_eq!(viewer.get("/v1/jobs").await.expect(200).json()["items"][0]["id"], job["id"]);
}

pub(crate) async fn a_replay_is_called_off(target: &Target) {
    let tenant = target.tenant("replay-off").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    deliver(&tenant, &receiver, "/hook").await;
    let mut order = ever();
    // A portion lasts for ten seconds, so there is one at most before it is called off.
    order["rate"] = json!(1);
    let path = format!("/v1/endpoints/{}/replay", endpoint.id);
    let job = tenant.admin.post(&path, &order).await.expect(202).json();
    let cancel = format!("/v1/jobs/{}/cancel", text(&job, "id"));
    let cancelled = tenant.admin.post(&cancel, &json!({})).await.expect(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    tenant.admin.post(&cancel, &json!({})).await.problem(409, "conflict");
    let resume = format!("/v1/jobs/{}/resume", text(&job, "id"));
    tenant.admin.post(&resume, &json!({})).await.problem(409, "conflict");
    let last = tenant.publish(&json!({"type": "last", "data": 1})).await;
    tenant.delivery(&last, &endpoint.id, "delivered").await;
    let now = tenant.job(&job, "cancelled").await;
    assert!(now["counts"]["sent"].as_u64().unwrap() < EVENTS as u64, "{now}");
}

pub(crate) async fn an_event_is_replayed_to_an_endpoint_that_never_had_it(target: &Target) {
    let tenant = target.tenant("replay-event").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    let other = bystander(&tenant, &receiver.url("/other")).await;
    let path = format!("/v1/events/{id}/replay");
    let job = tenant.admin.post(&path, &json!({"endpoints": [other.id]})).await.expect(202).json();
    tenant.job(&job, "done").await;
    tenant.delivery(&id, &other.id, "delivered").await;
    let job = tenant.admin.post(&path, &json!({})).await.expect(202).json();
    let done = tenant.job(&job, "done").await;
    assert_eq!(done["counts"]["sent"], 2, "{done}");
    receiver.wait_for("/hook", 2).await;
    receiver.wait_for("/other", 2).await;

    // One delivery, to yet another endpoint.
    let third = bystander(&tenant, &receiver.url("/third")).await;
    let retry = format!("/v1/deliveries/{}/retry", text(&delivery, "id"));
    tenant.admin.post(&retry, &json!({"to_endpoint": third.id})).await.expect(202);
    tenant.delivery(&id, &third.id, "delivered").await;
    assert_eq!((receiver.count("/hook"), receiver.count("/third")), (2, 1));
}

pub(crate) async fn a_delivery_is_called_off(target: &Target) {
    let tenant = target.tenant("cancel").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500)]);
    let slow = json!({"retry": {"strategy": "fixed", "initial_delay": 600, "max_attempts": 3}});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), slow).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "retrying").await;
    let cancel = format!("/v1/deliveries/{}/cancel", text(&delivery, "id"));
    let cancelled = tenant.admin.post(&cancel, &json!({"note": "a mistake"})).await.expect(200).json();
    assert_eq!((&cancelled["status"], &cancelled["next_attempt_at"]), (&json!("cancelled"), &json!(null)));
    assert!(text(&cancelled, "error").contains("a mistake"), "{cancelled}");
    tenant.admin.post(&cancel, &json!({})).await.problem(409, "conflict");
    tenant.delivery(&id, &endpoint.id, "cancelled").await;
}
