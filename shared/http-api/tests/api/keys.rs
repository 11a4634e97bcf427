//! `/v1/keys`: made, used within their bounds, removed.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Method;
use postrider_http_api::ClientAddress;
use serde_json::json;

use crate::call::Call;
use crate::fixture::Api;

#[tokio::test]
async fn a_key_is_shown_once_works_and_is_removed_at_once() {
    let api = Api::new().await;
    let body = json!({"name": "ci", "role": "publisher", "expires_at": "2030-01-01T00:00:00Z"});
    let created = api.post(&api.acme.admin, "/v1/keys", body).await.expect(201);
    let expected = json!({"id": created["id"], "name": "ci", "role": "publisher", "key": created["key"],
        "expires_at": "2030-01-01T00:00:00.000Z", "allowed_cidrs": [], "created_at": created["created_at"]});
    assert_eq!(created, expected);
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("prk_"));
    api.get(key, "/v1/events").await.expect(200);

    let list = api.get(&api.acme.admin, "/v1/keys").await.expect(200);
    let mut without = expected;
    without.as_object_mut().unwrap().remove("key");
    assert!(list["items"].as_array().unwrap().contains(&without), "{list}");
    assert!(!list.to_string().contains(key));

    let path = format!("/v1/keys/{}", created["id"].as_str().unwrap());
    api.delete(&api.other.admin, &path).await.expect(404);
    api.get(key, "/v1/events").await.expect(200);
    api.delete(&api.acme.admin, &path).await.expect(204);
    api.get(key, "/v1/events").await.expect(401);
    api.delete(&api.acme.admin, &path).await.expect(404);
}

#[tokio::test]
async fn a_key_ends_when_it_says() {
    let api = Api::new().await;
    let body = json!({"name": "short", "role": "viewer", "expires_at": "2026-01-31T13:00:00Z"});
    let created = api.post(&api.acme.admin, "/v1/keys", body).await.expect(201);
    let key = created["key"].as_str().unwrap();
    api.get(key, "/v1/events").await.expect(200);
    api.clock.advance(Duration::from_secs(3600));
    api.get(key, "/v1/events").await.expect(401);
}

#[tokio::test]
async fn a_key_works_only_from_its_networks() {
    let api = Api::new().await;
    let body =
        json!({"name": "office", "role": "viewer", "allowed_cidrs": ["203.0.113.0/24", "2001:db8::1"]});
    let created = api.post(&api.acme.admin, "/v1/keys", body).await.expect(201);
    assert_eq!(created["allowed_cidrs"], json!(["203.0.113.0/24", "2001:db8::1/128"]));
    let from = async |address: Option<&str>| {
        let call = Call::new(Method::GET, "/v1/events").key(created["key"].as_str().unwrap());
        let address = address.map(|address| ClientAddress(address.parse::<IpAddr>().unwrap()));
        let call = if let Some(address) = address { call.extension(address) } else { call };
        api.send(call).await.status
    };
    assert_eq!(from(Some("203.0.113.9")).await, 200);
    assert_eq!(from(Some("::ffff:203.0.113.9")).await, 200);
    assert_eq!(from(Some("2001:db8::1")).await, 200);
    assert_eq!(from(Some("203.0.114.9")).await, 403);
    assert_eq!(from(Some("2001:db8::2")).await, 403);
    assert_eq!(from(None).await, 403);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let api = Api::new().await;
    let cases = [
        (json!({}), 422, vec!["name", "role"]),
        (json!({"name": "", "role": "boss"}), 422, vec!["name", "role"]),
        (json!({"name": "x".repeat(129), "role": "viewer"}), 422, vec!["name"]),
        (json!({"name": "k", "role": "viewer", "expires_at": "tomorrow"}), 422, vec!["expires_at"]),
        (
            json!({"name": "k", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}),
            422,
            vec!["expires_at"],
        ),
        (
            json!({"name": "k", "role": "viewer", "allowed_cidrs": ["10.0.0.0/8", "x"]}),
            422,
            vec!["allowed_cidrs[1]"],
        ),
        (
            json!({"name": "k", "role": "viewer", "allowed_cidrs": vec!["10.0.0.0/8"; 101]}),
            422,
            vec!["allowed_cidrs"],
        ),
        (json!({"name": "k", "role": "viewer", "allowed_cidrs": "10.0.0.0/8"}), 400, vec!["allowed_cidrs"]),
        (json!({"name": "k", "role": "viewer", "key": "mine"}), 400, vec!["key"]),
    ];
    for (body, status, fields) in cases {
        let answer = api.post(&api.acme.admin, "/v1/keys", body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
    }
}
