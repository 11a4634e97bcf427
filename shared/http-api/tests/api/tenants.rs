//! `/v1/tenants`: the operator's own.

use serde_json::json;

use crate::fixture::{Api, PLATFORM};

#[tokio::test]
async fn a_tenant_is_created_once_and_shown() {
    let api = Api::new().await;
    let body = json!({"id": "new-one", "name": "New"});
    let created = api.post(PLATFORM, "/v1/tenants", body.clone()).await.expect(201);
    assert_eq!(created, json!({"id": "new-one", "name": "New", "created_at": created["created_at"]}));
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
