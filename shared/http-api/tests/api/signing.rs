//! The keys that endpoints sign with: shown, replaced, published.

use std::time::Duration;

use axum::http::Method;
use postrider_domain::signature::{Jwk, KeyKind, PublicKey, SigningKey};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::fixture::Api;

async fn rotate(api: &Api, id: &str, body: Value) -> Answer {
    api.post(&api.acme.admin, &format!("/v1/endpoints/{id}/secret/rotate"), body).await
}

async fn keys(api: &Api, id: &str) -> Vec<Value> {
    let shown = api.get(&api.acme.admin, &format!("/v1/endpoints/{id}/secret")).await.expect(200);
    shown["keys"].as_array().unwrap().clone()
}

async fn with_scheme(api: &Api, scheme: &str) -> Value {
    let config = json!({"url": "https://example.com/hook", "signature": {"scheme": scheme}});
    let body =
        json!({"name": "n", "channel": "webhook", "config": config, "subscriptions": [{"event_type": "*"}]});
    api.post(&api.acme.admin, "/v1/endpoints", body).await.expect(201)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[tokio::test]
async fn a_new_secret_is_shown_with_the_end_of_the_former_one() {
    let api = Api::new().await;
    let id = api.endpoint(json!({})).await;
    let [first] = &*keys(&api, &id).await else { panic!("one key") };
    let rotated = rotate(&api, &id, json!({"overlap_seconds": 36_000})).await.expect(200);
    assert_eq!(rotated["key"], "hmac");
    assert_ne!(rotated["secret"], first["secret"]);
    let [new, former] = &*keys(&api, &id).await else { panic!("two keys") };
    assert_eq!((&new["secret"], &new["expires_at"]), (&rotated["secret"], &Value::Null));
    assert_eq!((&former["secret"], &former["created_at"]), (&first["secret"], &first["created_at"]));
    assert_eq!(former["expires_at"], rotated["previous_expires_at"]);
    api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    let sent = api.receiver.requests.lock().unwrap().pop().unwrap();
    let signature = sent.headers["webhook-signature"].to_str().unwrap();
    assert_eq!(signature.matches("v1,").count(), 2, "{signature}");
    api.clock.advance(Duration::from_secs(36_000));
    assert_eq!(keys(&api, &id).await.len(), 1);
    // Without a body, the former key has a day.
    let path = format!("/v1/endpoints/{id}/secret/rotate");
    let bare = api.send(Call::new(Method::POST, &path).key(&api.acme.admin)).await.expect(200);
    let day = |key: &Value, field| postrider_domain::Timestamp::parse(text(key, field)).unwrap().as_seconds();
    assert_eq!(day(&bare, "previous_expires_at") - day(&bare, "created_at"), 86_400);
}

#[tokio::test]
async fn what_is_wrong_with_a_rotation_is_named_and_no_secret_repeated() {
    let api = Api::new().await;
    let id = api.endpoint(json!({})).await;
    let own = SigningKey::from_random(KeyKind::Hmac, [3; 32]).reveal();
    let pair = SigningKey::from_random(KeyKind::Ed25519, [3; 32]).reveal();
    rotate(&api, &id, json!({"secret": own})).await.expect(200);
    for (body, status, fields) in [
        (json!({"overlap_seconds": 604_801}), 422, &["overlap_seconds"][..]),
        (json!({"overlap_seconds": -1}), 422, &["overlap_seconds"]),
        (json!({"overlap_seconds": 1.5}), 422, &["overlap_seconds"]),
        (json!({"overlap_seconds": "60"}), 400, &["overlap_seconds"]),
        (json!({"key": "rsa"}), 422, &["key"]),
        (json!({"key": "rsa", "secret": "x"}), 422, &["key", "secret"]),
        (json!({"secret": "whsec_dG9vIHNob3J0"}), 422, &["secret"]),
        (json!({"secret": &pair[..60]}), 422, &["secret"]),
        (json!({"secret": own}), 422, &["secret"]),
        (json!({"secret": own, "key": "ed25519"}), 422, &["secret"]),
        (json!({"overlap": 1}), 400, &["overlap"]),
    ] {
        let answer = rotate(&api, &id, body.clone()).await;
        assert_eq!(answer.fields(status), fields, "{body}");
        let answered = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!answered.contains(&own[6..]) && !answered.contains("dG9vIHNob3J0"), "{answered}");
    }
    for _ in 2..5 {
        rotate(&api, &id, json!({})).await.expect(200);
    }
    let refused = rotate(&api, &id, json!({})).await.expect(409);
    assert!(text(&refused, "detail").contains("overlap_seconds 0"), "{refused}");
    rotate(&api, &id, json!({"overlap_seconds": 0})).await.expect(200);
    assert_eq!(keys(&api, &id).await.len(), 1);
}

#[tokio::test]
async fn the_private_half_of_a_key_pair_is_never_shown() {
    let api = Api::new().await;
    let own = SigningKey::from_random(KeyKind::Ed25519, [3; 32]).reveal();
    let created = with_scheme(&api, "ed25519").await;
    assert!(created.get("secret").is_none() && text(&created, "public_key").starts_with("whpk_"));
    let id = text(&created, "id");
    let rotated = rotate(&api, id, json!({"secret": own})).await.expect(200);
    assert_eq!((&rotated["key"], rotated.get("secret")), (&json!("ed25519"), None));
    let path = format!("/v1/endpoints/{id}");
    let shown = api.get(&api.acme.admin, &format!("{path}/secret")).await.expect(200);
    assert!(shown.get("secret").is_none(), "{shown}");
    let listed = api.get(&api.acme.viewer, "/v1/endpoints").await.expect(200);
    let read = api.get(&api.acme.viewer, &path).await.expect(200);
    for body in [created.clone(), rotated, shown, listed, read] {
        let body = body.to_string();
        assert!(!body.contains("whsk_") && !body.contains(&own[5..40]), "{body}");
    }
}

#[tokio::test]
async fn a_key_set_has_the_keys_that_sign_and_no_others() {
    let api = Api::new().await;
    let created = with_scheme(&api, "standard+ed25519").await;
    let id = text(&created, "id");
    let rotated = rotate(&api, id, json!({"key": "ed25519", "overlap_seconds": 60})).await.expect(200);
    let jwk = |key: &Value| {
        let Jwk { key_id, x } = Jwk::of(&text(key, "public_key").parse::<PublicKey>().unwrap());
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "use": "sig", "alg": "EdDSA"})
    };
    assert_eq!(rotated["kid"], jwk(&rotated)["kid"]);
    let private = format!("/v1/endpoints/{id}/jwks");
    let public = format!("/.well-known/postrider/acme/{id}/jwks.json");
    let both = json!({"keys": [jwk(&rotated), jwk(&created)]});
    for (wait, expected) in [(0, both), (61, json!({"keys": [jwk(&rotated)]}))] {
        api.clock.advance(Duration::from_secs(wait));
        let owned = api.get(&api.acme.viewer, &private).await;
        let published = api.send(Call::new(Method::GET, &public)).await;
        for (answer, caching) in [(owned, "no-store"), (published, "public, max-age=300")] {
            assert_eq!((answer.status, answer.json()), (200, expected.clone()));
            assert_eq!(answer.headers["content-type"], "application/jwk-set+json");
            assert_eq!(answer.headers["cache-control"], caching);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        }
    }
}

#[tokio::test]
async fn an_endpoint_without_public_keys_is_published_like_one_that_is_not_there() {
    let api = Api::new().await;
    let plain = api.endpoint(json!({})).await;
    let path = |tenant: &str, id: &str| format!("/.well-known/postrider/{tenant}/{id}/jwks.json");
    let unknown = api.send(Call::new(Method::GET, &path("nobody", "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2"))).await;
    unknown.expect(404);
    let created = with_scheme(&api, "ed25519").await;
    let removed = text(&created, "id");
    api.delete(&api.acme.admin, &format!("/v1/endpoints/{removed}")).await;
    for path in [
        path("acme", &plain),
        path("other", &plain),
        path("acme", removed),
        path("acme", "not-an-id"),
        path("%FF", &plain),
        path("..", "%2F"),
    ] {
        let answer = api.send(Call::new(Method::GET, &path)).await;
        answer.expect(404);
        assert_eq!(answer.body, unknown.body, "{path}");
    }
    let own = api.get(&api.acme.viewer, &format!("/v1/endpoints/{plain}/jwks")).await;
    assert_eq!((own.status, own.json()), (200, json!({"keys": []})));
    let posted = api.send(Call::new(Method::POST, &path("acme", &plain))).await;
    posted.expect(405);
}

#[tokio::test]
async fn a_change_of_the_scheme_makes_the_key_that_it_needs() {
    let api = Api::new().await;
    let id = api.endpoint(json!({})).await;
    let change = json!({"config": {"signature": {"scheme": "ed25519"}}});
    let path = format!("/v1/endpoints/{id}");
    let changed = api.patch(&api.acme.admin, &path, change).await.expect(200);
    assert!(changed.get("secret").is_none() && changed.get("public_key").is_none(), "{changed}");
    let kinds: Vec<_> = keys(&api, &id).await.iter().map(|key| text(key, "key").to_owned()).collect();
    assert_eq!(kinds, ["ed25519", "hmac"]);
    api.publish(json!({"type": "a", "data": 1})).await;
    api.run().await;
    let sent = api.receiver.requests.lock().unwrap().pop().unwrap();
    let signature = sent.headers["webhook-signature"].to_str().unwrap();
    assert!(signature.starts_with("v1a,") && !signature.contains(' '), "{signature}");
}
