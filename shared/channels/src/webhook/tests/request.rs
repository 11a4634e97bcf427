//! What is sent.

use http::HeaderName;
use postrider_domain::signature::SigningSecret;
use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

async fn sent(config: Value, data: &[u8]) -> (OutboundRequest, AttemptResult) {
    let outbound = Arc::new(FakeOutbound::default());
    let result = attempt(&outbound, &config, data).await;
    (outbound.request(), result)
}

fn headers(request: &OutboundRequest) -> Vec<(&str, &str)> {
    request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn an_envelope_is_posted_with_the_standard_headers() {
    let (request, result) = sent(json!({"url": "https://example.com/hook?a=b"}), br#"{"n":1.0}"#).await;
    let body = r#"{"id":"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk","type":"user.created","timestamp":"2026-01-31T12:00:00.123Z","data":{"n":1.0}}"#;
    assert_eq!(request.body, body);
    let secret: SigningSecret = SECRET.parse().unwrap();
    let signature = secret.sign_standard("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body.as_bytes());
    let expected = [
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("user-agent", concat!("Postrider/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
        ("webhook-timestamp", "1649367553"),
        ("webhook-signature", &signature),
    ];
    assert_eq!(headers(&request), expected);
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://example.com/hook?a=b"));
    assert_eq!((request.timeout, request.keep_body_bytes), (Duration::from_secs(7), 4096));
    assert!(request.allowed_networks.is_empty());
    let record = result.request;
    assert_eq!((&*record.method, &*record.url), ("POST", "https://example.com/hook?a=b"));
    assert_eq!(record.headers, expected.map(|(name, value)| (name.into(), value.into())));
}

#[tokio::test]
async fn data_alone_agrees_with_the_vector_of_the_standard_webhooks_libraries() {
    let config = json!({"url": "https://example.com/", "payload": "data"});
    let data = br#"{"email":"test@example.com","username":"test_user"}"#;
    let (request, _) = sent(config, data).await;
    assert_eq!(request.body, &data[..]);
    assert_eq!(request.headers["webhook-signature"], "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

#[tokio::test]
async fn the_body_scheme_agrees_with_rfc_4231_case_2() {
    let config = json!({
        "url": "https://example.com/", "payload": "data",
        "signature": {"scheme": "body", "header": "X-Hub-Signature-256", "prefix": "sha256=", "secret": "Jefe"},
    });
    let (request, result) = sent(config, b"what do ya want for nothing?").await;
    let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(request.headers["x-hub-signature-256"], signature);
    assert!(!request.headers.contains_key("webhook-signature"));
    assert!(request.headers.contains_key("webhook-id") && request.headers.contains_key("webhook-timestamp"));
    assert!(result.request.headers.contains(&("x-hub-signature-256".into(), signature.into())));
}

#[tokio::test]
async fn the_body_scheme_takes_the_secret_as_its_owner_sees_it() {
    let config = json!({
        "url": "https://example.com/", "payload": "data",
        "signature": {"scheme": "body", "header": "X-Signature", "encoding": "base64"},
    });
    let (request, _) = sent(config, b"{}").await;
    let encoding = postrider_domain::signature::BodySignatureEncoding::Base64;
    let expected = postrider_domain::signature::sign_body(SECRET, b"{}", encoding);
    assert_eq!(request.headers["x-signature"], expected);
}

#[tokio::test]
async fn the_endpoints_own_headers_and_method_are_used() {
    let config = json!({
        "url": "https://example.com/", "method": "PATCH", "ip_allowlist": ["203.0.113.0/24"],
        "headers": {"Content-Type": "application/cloudevents+json", "User-Agent": "acme", "X-Team": "payments"},
    });
    let (request, _) = sent(config, b"{}").await;
    assert_eq!(request.method, "PATCH");
    assert_eq!(request.allowed_networks, ["203.0.113.0/24".parse().unwrap()]);
    for (name, value) in
        [("content-type", "application/cloudevents+json"), ("user-agent", "acme"), ("x-team", "payments")]
    {
        let all: Vec<_> = request.headers.get_all(name.parse::<HeaderName>().unwrap()).iter().collect();
        assert_eq!(all, [value], "{name}");
    }
}

#[tokio::test]
async fn credentials_are_sent_and_not_recorded() {
    // RFC 7617, section 2.
    let basic = json!({"type": "basic", "username": "Aladdin", "password": "open sesame"});
    let bearer = json!({"type": "bearer", "token": "mF_9.B5f-4.1JqM"});
    for (auth, value, shown) in [
        (basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic ********"),
        (bearer, "Bearer mF_9.B5f-4.1JqM", "Bearer ********"),
    ] {
        let config = json!({"url": "https://example.com/", "auth": auth, "headers": {"X-Api-Key": "k3y"}});
        let (request, result) = sent(config, b"{}").await;
        assert_eq!(request.headers["authorization"], value);
        assert_eq!(request.headers["x-api-key"], "k3y");
        let recorded = result.request.headers;
        assert!(recorded.contains(&("authorization".into(), shown.into())), "{recorded:?}");
        assert!(recorded.contains(&("x-api-key".into(), "********".into())), "{recorded:?}");
        assert!(!format!("{:?}", request.headers).contains(value), "not in logs either");
    }
}

#[test]
fn an_endpoint_without_a_secret_is_not_opened() {
    let channel = WebhookChannel::new(Arc::new(FakeOutbound::default()));
    let open = |config: &Value| {
        channel.open(config, KeyRing::default()).err().map(|mut problems| problems.remove(0).field)
    };
    let own = json!({"scheme": "body", "header": "x", "secret": "own"});
    assert_eq!(open(&json!({"url": "https://example.com/"})).as_deref(), Some("signature"));
    assert_eq!(open(&json!({"url": "https://example.com/", "signature": own})), None);
    assert_eq!(open(&json!({})).as_deref(), Some("url"));
}

#[test]
fn an_address_that_is_refused_by_now_is_left_to_the_attempt_to_tell() {
    let channel = WebhookChannel::new(Arc::new(FakeOutbound::refusing()));
    let config = json!({"url": "https://10.0.0.1/"});
    assert!(channel.check(&config).is_err());
    assert!(channel.open(&config, keys(&[(SECRET, None)])).is_ok());
}

/// JSON texts as people write them: with spaces, repeated keys, long numbers and escapes.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-z é😀/]|\\\\u00[0-9a-fA-F]{2}|\\\\[nrt\"\\\\/]){0,8}\"",
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let space = "[ \n\t]{0,2}";
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..5), space)
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))),
            (proptest::collection::vec(("[a-c]{1,2}", inner), 0..5), space).prop_map(|(items, space)| {
                let items: Vec<String> =
                    items.iter().map(|(key, value)| format!("\"{key}\"{space}:{value}")).collect();
                format!("{{{}{space}}}", items.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn data_is_embedded_byte_for_byte(text in json_text()) {
        let (request, _) = runtime().block_on(sent(json!({"url": "https://example.com/"}), text.as_bytes()));
        let body: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&request.body).unwrap();
        prop_assert_eq!(body["data"].get(), text);
        prop_assert_eq!(body["id"].get(), "\"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk\"");
        prop_assert_eq!(body.len(), 4);
    }

    #[test]
    fn data_alone_is_sent_byte_for_byte(text in json_text()) {
        let config = json!({"url": "https://example.com/", "payload": "data"});
        let (request, _) = runtime().block_on(sent(config, text.as_bytes()));
        prop_assert_eq!(&request.body, text.as_bytes());
    }
}
