//! `/v1/tenants`: the operator's own.

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::Call;
use crate::fixture::{Api, PLATFORM};

#[tokio::test]
async fn a_tenant_is_created_once_and_shown() {
    let api = Api::new().await;
    let body = json!({"id": "new-one", "name": "New"});
    let created = api.post(PLATFORM, "/v1/tenants", body.clone()).await.expect(201);
    assert_eq!(
        created,
        json!({"id": "new-one", "name": "New", "publish_limit": null, "created_at": created["created_at"]})
    );
    assert_eq!(api.post(PLATFORM, "/v1/tenants", body).await.fields(409), ["id"]);
    assert_eq!(api.get(PLATFORM, "/v1/tenants/new-one").await.expect(200), created);
    api.get(PLATFORM, "/v1/tenants/none").await.expect(404);
    api.get(PLATFORM, "/v1/tenants/Not%20An%20Id").await.expect(404);
    let list = api.get(PLATFORM, "/v1/tenants?limit=2").await.expect(200);
    assert_eq!((&list["items"][0]["id"], &list["items"][1]), (&json!("acme"), &created));
    let path = format!("/v1/tenants?cursor={}", list["next_cursor"].as_str().unwrap());
    let rest = api.get(PLATFORM, &path).await.expect(200);
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&json!("other"), &json!(null)));
}

#[tokio::test]
async fn what_is_wrong_with_a_tenant_is_named() {
    let api = Api::new().await;
    let cases = [
        (json!({}), 422, vec!["id", "name"]),
        (json!({"id": "A#B", "name": ""}), 422, vec!["id", "name"]),
        (json!({"id": 5, "name": "n"}), 400, vec!["id"]),
        (json!({"id": "n", "name": "n", "plan": "x"}), 400, vec!["plan"]),
    ];
    for (body, status, fields) in cases {
        let answer = api.post(PLATFORM, "/v1/tenants", body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
}

#[tokio::test]
async fn a_tenant_is_changed_field_by_field() {
    let api = Api::new().await;
    let path = "/v1/tenants/acme";
    let changed = api.patch(PLATFORM, path, json!({"publish_limit": {"per_second": 0.5}})).await.expect(200);
    assert_eq!(changed["publish_limit"], json!({"per_second": 0.5, "burst": 1}));
    let changed = api.patch(PLATFORM, path, json!({"name": "Acme Corporation"})).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["publish_limit"]["burst"]),
        (&json!("Acme Corporation"), &json!(1))
    );
    assert_eq!(api.get(PLATFORM, path).await.expect(200), changed);
    let changed = api.patch(PLATFORM, path, json!({"publish_limit": null})).await.expect(200);
    assert_eq!(changed["publish_limit"], json!(null));
    api.patch(PLATFORM, "/v1/tenants/none", json!({"name": "n"})).await.expect(404);
    api.patch(&api.acme.admin, path, json!({"name": "n"})).await.expect(403);
    let wrong = json!({"publish_limit": {"per_second": 0, "burst": 100_001}, "name": ""});
    let fields = ["name", "publish_limit.per_second", "publish_limit.burst"];
    assert_eq!(api.patch(PLATFORM, path, wrong).await.fields(422), fields);
    assert_eq!(api.patch(PLATFORM, path, json!({"id": "x"})).await.fields(400), ["id"]);
}

#[tokio::test]
async fn a_tenant_publishes_as_much_as_its_limit_allows() {
    let api = Api::new().await;
    let body = json!({"id": "limited", "name": "L", "publish_limit": {"per_second": 1, "burst": 3}});
    let created = api.post(PLATFORM, "/v1/tenants", body).await.expect(201);
    assert_eq!(created["publish_limit"], json!({"per_second": 1, "burst": 3}));
    let publish = async |path: &str, body: Value| {
        api.send(Call::new(Method::POST, path).key(PLATFORM).acting_for("limited").json(&body)).await
    };
    let event = json!({"type": "a.b", "data": 1});
    publish("/v1/events", event.clone()).await.expect(202);
    // A batch is not refused as a whole.
    let batch = publish("/v1/events/batch", json!({"events": vec![event.clone(); 4]})).await.expect(200);
    let items = batch["items"].as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["accepted", "accepted", "rejected", "rejected"]);
    let problem = &items[3]["problem"];
    let shown = (&problem["type"], &problem["status"], &problem["retry_after"]);
    assert_eq!(shown, (&json!("/problems/rate-limited"), &json!(429), &json!(1)));
    let refused = publish("/v1/events", event.clone()).await;
    assert_eq!(refused.headers["retry-after"], "1");
    refused.expect(429);
    // Others are not concerned, and time brings tokens.
    api.publish(event.clone()).await;
    api.clock.advance(std::time::Duration::from_secs(2));
    publish("/v1/events", event.clone()).await.expect(202);
    publish("/v1/events", event.clone()).await.expect(202);
    publish("/v1/events", event).await.expect(429);
}
