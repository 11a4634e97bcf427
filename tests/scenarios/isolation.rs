//! Tenants see and reach only what is theirs, on every route.

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Endpoint, Receiver, Target, Tenant, pages};
use reqwest::Method;
use serde_json::{Value, json};

/// A tenant with one thing of every kind.
struct Full {
    tenant: Tenant,
    receiver: Receiver,
    endpoint: Endpoint,
    event: String,
    delivery: String,
    dead_letter: String,
    key: String,
}

async fn full(target: &Target) -> Full {
    let tenant = target.tenant("owner").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(400), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let event = tenant.publish(&json!({"type": "a.b", "data": {"secret": "of the owner"}})).await;
    let delivery = tenant.delivery(&event, &endpoint.id, "failed").await;
    let dead_letter = text(&tenant.dead_letter(&delivery).await, "id").to_owned();
    let key = tenant.admin.post("/v1/keys", &json!({"name": "k", "role": "viewer"})).await.expect(201).json();
    let (delivery, key) = (text(&delivery, "id").to_owned(), text(&key, "id").to_owned());
    Full { tenant, receiver, endpoint, event, delivery, dead_letter, key }
}

/// Every route with an id in it.
fn routes(endpoint: &str, event: &str, delivery: &str, key: &str) -> Vec<(Method, String, Option<Value>)> {
    let mut routes = vec![
        (Method::GET, format!("/v1/events/{event}"), None),
        (Method::GET, format!("/v1/endpoints/{endpoint}"), None),
        (Method::PATCH, format!("/v1/endpoints/{endpoint}"), Some(json!({"name": "taken over"}))),
        (Method::GET, format!("/v1/endpoints/{endpoint}/secret"), None),
        (Method::GET, format!("/v1/endpoints/{endpoint}/deliveries"), None),
        (Method::POST, format!("/v1/endpoints/{endpoint}/test"), Some(json!({"data": 1}))),
        (Method::GET, format!("/v1/deliveries/{delivery}"), None),
        (Method::POST, format!("/v1/deliveries/{delivery}/retry"), None),
        (Method::POST, format!("/v1/deliveries/{delivery}/cancel"), None),
        (Method::POST, format!("/v1/events/{event}/replay"), None),
        (Method::POST, format!("/v1/endpoints/{endpoint}/replay"), None),
        (Method::DELETE, format!("/v1/keys/{key}"), None),
        (Method::DELETE, format!("/v1/endpoints/{endpoint}"), None),
    ];
    for status in ["pause", "resume", "enable", "disable"] {
        routes.push((Method::POST, format!("/v1/endpoints/{endpoint}/{status}"), None));
    }
    routes
}

pub(crate) async fn the_ids_of_other_tenants_name_nothing(target: &Target) {
    let owner = full(target).await;
    let stranger = target.tenant("stranger").await;
    let foreign = routes(&owner.endpoint.id, &owner.event, &owner.delivery, &owner.key);
    let ulid = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";
    let unknown = routes(
        &format!("ep_{ulid}"),
        &format!("evt_{ulid}"),
        &format!("dlv_{ulid}{ulid}"),
        &format!("key_{ulid}"),
    );
    let malformed = routes("nothing", "no.thing", "nothing", "nothing");
    for ((foreign, unknown), malformed) in foreign.into_iter().zip(unknown).zip(malformed) {
        let mut answers = Vec::new();
        for (method, path, body) in [foreign, unknown, malformed] {
            let body = body.map(|body| body.to_string().into());
            let answer = stranger.admin.call(method, &path, body).await;
            answers.push(answer.problem(404, "not-found"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "they can be told apart: {answers:?}");
    }
    unchanged(&owner).await;
}

/// Checks that what a stranger tried had no effect.
async fn unchanged(owner: &Full) {
    let Full { tenant, receiver, endpoint, delivery, dead_letter, key, .. } = owner;
    let now = tenant.admin.get(&format!("/v1/endpoints/{}", endpoint.id)).await.expect(200).json();
    assert_eq!((&now["name"], &now["status"]), (&json!("receiver"), &json!("active")));
    let now = tenant.admin.get(&format!("/v1/deliveries/{delivery}")).await.expect(200).json();
    assert_eq!((&now["status"], &now["attempt_count"]), (&json!("failed"), &json!(1)));
    let letters = pages::all(&tenant.admin, "/v1/dead-letters?state=pending", 10).await;
    assert_eq!(pages::texts(&letters, "id"), std::slice::from_ref(dead_letter));
    let keys = pages::all(&tenant.admin, "/v1/keys", 10).await;
    assert!(pages::texts(&keys, "id").contains(key), "{keys:?}");
    assert_eq!(receiver.count("/hook"), 1);
}

pub(crate) async fn lists_show_nothing_of_other_tenants(target: &Target) {
    let owner = full(target).await;
    let stranger = target.tenant("stranger").await;
    let lists = [
        "/v1/events".to_owned(),
        "/v1/events?type=a.b".to_owned(),
        "/v1/endpoints".to_owned(),
        "/v1/deliveries".to_owned(),
        format!("/v1/deliveries?endpoint_id={}", owner.endpoint.id),
        format!("/v1/deliveries?event_id={}", owner.event),
        "/v1/deliveries?status=failed".to_owned(),
        "/v1/dead-letters".to_owned(),
        format!("/v1/dead-letters?endpoint_id={}", owner.endpoint.id),
    ];
    for list in lists {
        let rows = pages::all(&stranger.admin, &list, 100).await;
        assert!(rows.is_empty(), "{list}: {rows:?}");
        let rows = pages::all(&owner.tenant.admin, &list, 100).await;
        assert_eq!(rows.len(), 1, "{list}: {rows:?}");
    }
    let keys = pages::all(&stranger.admin, "/v1/keys", 100).await;
    assert_eq!(pages::texts(&keys, "name"), ["tests"]);

    // A cursor says where to go on in a list, not whose list it is.
    for number in 0..3 {
        owner.tenant.publish(&json!({"type": "a.c", "data": number})).await;
    }
    let page = owner.tenant.admin.get("/v1/events?limit=1").await.expect(200).json();
    let cursor = pages::escape(text(&page, "next_cursor"));
    let page = stranger.admin.get(&format!("/v1/events?limit=1&cursor={cursor}")).await.expect(200).json();
    assert_eq!(page["items"], json!([]), "{page}");
}

pub(crate) async fn nothing_of_another_tenant_can_be_changed(target: &Target) {
    let owner = full(target).await;
    let stranger = target.tenant("stranger").await;
    let event = json!({"type": "a.b", "data": 1, "endpoints": [owner.endpoint.id]});
    let refused = stranger.admin.post("/v1/events", &event).await;
    refused.problem_with(422, "validation", "endpoints[0]");
    let redrive = json!({"ids": [owner.dead_letter]});
    let answer = stranger.admin.post("/v1/dead-letters/redrive", &redrive).await.expect(200).json();
    assert_eq!(
        (&answer["redriven"], &answer["items"][0]["status"]),
        (&json!(0), &json!("failed")),
        "{answer}"
    );
    let all = json!({"filter": {"endpoint_id": owner.endpoint.id}, "dry_run": true});
    let answer = stranger.admin.post("/v1/dead-letters/redrive", &all).await.expect(200).json();
    assert_eq!(answer["matched"], 0, "{answer}");
    for settle in ["resolve", "discard"] {
        let path = format!("/v1/dead-letters/{settle}");
        let answer = stranger.admin.post(&path, &redrive).await.expect(200).json();
        assert_eq!(answer["items"][0]["status"], "failed", "{answer}");
    }

    // Only the platform's key acts for others.
    let acting = stranger.admin.acting_for(&owner.tenant.id);
    let rows = acting.get("/v1/events").await;
    assert!(rows.status != 200 || rows.json()["items"] == json!([]), "{}", rows.text());
    assert_ne!(acting.get(&format!("/v1/events/{}", owner.event)).await.status, 200);

    // The owner of a deleted endpoint's id is not somebody else, either.
    let id = format!("/v1/endpoints/{}", owner.endpoint.id);
    assert_eq!(stranger.admin.delete(&id).await.status, 404);
    unchanged(&owner).await;
}
