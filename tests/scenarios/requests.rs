//! What a receiver gets beyond the event: body form, signature, credentials, headers, method.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use postrider_tests::{Receiver, Target, signature};
use serde_json::{Value, json};

/// What stands in the place of a credential.
const MASK: &str = "********";

pub(crate) async fn the_body_can_be_the_data_alone(target: &Target) {
    let tenant = target.tenant("data-alone").await;
    let receiver = Receiver::start().await;
    let fields = json!({"config": {"payload": "data"}});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), fields).await;
    let data = "{\"price\": 1.10,\t\"é\":\"\\u00e9\"}";
    let event = format!(r#"{{"event_id":"data-alone","type":"a.b","data":{data}}}"#);
    tenant.admin.post_text("/v1/events", event).await.expect(202);
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(request.body, data);
    assert_eq!(request.webhook_id(), "data-alone");
    assert!(signature::is_valid(&request, &endpoint.secret), "{request:?}");
}

pub(crate) async fn the_body_can_be_signed_for_older_receivers(target: &Target) {
    let tenant = target.tenant("body-signature").await;
    let receiver = Receiver::start().await;
    let schemes = [
        ("/hex", json!({"header": "X-Hub-Signature-256", "prefix": "sha256="}), "secret"),
        ("/base64", json!({"header": "X-Signature", "encoding": "base64"}), "secret"),
        (
            "/own",
            json!({"header": "X-Signature", "encoding": "hex", "secret": "an-own-secret"}),
            "an-own-secret",
        ),
    ];
    let mut endpoints = Vec::new();
    for (path, scheme, _) in &schemes {
        let mut scheme = scheme.clone();
        scheme["scheme"] = "body".into();
        let fields = json!({"config": {"signature": scheme}});
        endpoints.push(tenant.endpoint(&receiver.url(path), fields).await);
    }
    let id = tenant.publish(&json!({"type": "a.b", "data": {"x": "é"}})).await;
    for ((path, scheme, secret), endpoint) in schemes.iter().zip(&endpoints) {
        let request = receiver.wait_for(path, 1).await.remove(0);
        let secret = if *secret == "secret" { &endpoint.secret } else { *secret };
        let mac = signature::hmac(secret.as_bytes(), &request.body);
        let written = if scheme["encoding"] == "base64" { BASE64.encode(mac) } else { hex::encode(mac) };
        let expected = format!("{}{written}", scheme["prefix"].as_str().unwrap_or_default());
        assert_eq!(request.header(scheme["header"].as_str().unwrap()), expected, "{path}");
        assert_eq!((request.header("webhook-signature"), request.webhook_id()), ("", id.as_str()));
    }
    let shown = tenant.admin.get(&format!("/v1/endpoints/{}", endpoints[2].id)).await.expect(200).json();
    assert_eq!(shown["config"]["signature"]["secret"], MASK);
}

pub(crate) async fn credentials_arrive_and_are_masked(target: &Target) {
    let tenant = target.tenant("credentials").await;
    let receiver = Receiver::start().await;
    let basic = format!("Basic {}", BASE64.encode("user:open sesame"));
    let cases = [
        (
            "/bearer",
            json!({"auth": {"type": "bearer", "token": "t0ken-of-the-receiver"}}),
            "authorization",
            "Bearer t0ken-of-the-receiver",
        ),
        (
            "/basic",
            json!({"auth": {"type": "basic", "username": "user", "password": "open sesame"}}),
            "authorization",
            basic.as_str(),
        ),
        (
            "/header",
            json!({"headers": {"X-Api-Key": "k3y-of-the-receiver"}}),
            "x-api-key",
            "k3y-of-the-receiver",
        ),
    ];
    for (path, config, header, expected) in cases {
        // A receiver that answers with what it got does not bring the credential back in.
        receiver.answer(path, [postrider_tests::Answer::ok().body(expected.to_owned())]);
        let fields = json!({"config": config, "subscriptions": []});
        let endpoint = tenant.endpoint(&receiver.url(path), fields).await;
        let id = tenant.publish(&json!({"type": "a.b", "data": 1, "endpoints": [endpoint.id]})).await;
        let request = receiver.wait_for(path, 1).await.remove(0);
        assert_eq!(request.header(header), expected);

        let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
        let endpoint_now =
            tenant.admin.get(&format!("/v1/endpoints/{}", endpoint.id)).await.expect(200).json();
        let endpoints = tenant.admin.get("/v1/endpoints").await.expect(200).json();
        for shown in [&endpoint.created, &delivery, &endpoint_now, &endpoints] {
            let shown = shown.to_string();
            for secret in ["t0ken-of-the-receiver", "open sesame", "k3y-of-the-receiver", &basic[6..]] {
                assert!(!shown.contains(secret), "{path}: {shown}");
            }
        }
        let sent = delivery["attempts"][0]["request"]["headers"][header].as_str().unwrap();
        assert!(sent.ends_with(MASK), "{path}: {delivery}");
        // The mask in an update leaves the credential as it is.
        let route = format!("/v1/endpoints/{}", endpoint.id);
        tenant.admin.patch(&route, &json!({"config": endpoint_now["config"]})).await.expect(200);
        tenant.publish(&json!({"type": "a.b", "data": 2, "endpoints": [endpoint.id]})).await;
        assert_eq!(receiver.wait_for(path, 2).await[1].header(header), expected);
    }
}

pub(crate) async fn headers_and_the_method_are_the_endpoints_choice(target: &Target) {
    let tenant = target.tenant("headers").await;
    let receiver = Receiver::start().await;
    for method in ["POST", "PUT", "PATCH"] {
        let path = format!("/{method}");
        let config: Value = json!({"method": method, "headers": {"X-Region": "eu-1", "X-Method": method}});
        let endpoint = tenant.endpoint(&receiver.url(&path), json!({"config": config})).await;
        let event = json!({"type": "a.b", "data": 1, "endpoints": [endpoint.id]});
        let id = tenant.publish(&event).await;
        let request = receiver.wait_for(&path, 1).await.remove(0);
        assert_eq!(request.method, method);
        assert_eq!((request.header("x-region"), request.header("x-method")), ("eu-1", method));
        assert!(signature::is_valid(&request, &endpoint.secret), "{request:?}");
        let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
        let sent = &delivery["attempts"][0]["request"];
        assert_eq!((&sent["method"], &sent["headers"]["x-region"]), (&json!(method), &json!("eu-1")));
        assert_eq!(endpoint.created["config"]["headers"]["X-Region"], "eu-1");
    }
}
