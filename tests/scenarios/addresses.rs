//! Receivers' addresses, as the API judges them. What names resolve to is judged at delivery.

use postrider_tests::tenant::endpoint_request;
use postrider_tests::{Receiver, Target};
use serde_json::json;

/// Addresses that are not public and that no operator of a test opens, in every spelling that URLs know.
const PRIVATE: [&str; 33] = [
    "https://10.0.0.1/",
    "https://10.255.255.255:8443/hook?x=1",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.100.1:9001/2018-06-01/runtime/invocation/next",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.7/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://167772161/",
    "https://0xA000001/",
    "https://012.0.0.1/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://10.1/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[ff02::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:db8::1]/",
];

/// Texts that are no address of a webhook for other reasons.
const OTHERS: [&str; 12] = [
    "",
    "example.com/hook",
    "https://",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "http://8.8.8.8/plain-http-to-a-public-address",
    "https://user:password@example.com/hook",
    "https://example.com/hook#fragment",
    "https://example.com/a hook",
    "https://exa\nmple.com/hook",
];

pub(crate) async fn private_addresses_are_refused(target: &Target) {
    let tenant = target.tenant("addresses").await;
    for url in PRIVATE {
        let refused = tenant.admin.post("/v1/endpoints", &endpoint_request(url, json!({}))).await;
        let problem = refused.problem_with(422, "validation", "config.url");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.len() > 20, "{url}: {message} explains nothing");
    }
    let endpoints = tenant.admin.get("/v1/endpoints").await.expect(200).json();
    assert_eq!(endpoints["items"], json!([]));
}

pub(crate) async fn what_is_no_webhook_address_is_refused(target: &Target) {
    let tenant = target.tenant("urls").await;
    for url in OTHERS {
        let refused = tenant.admin.post("/v1/endpoints", &endpoint_request(url, json!({}))).await;
        assert!(refused.status == 422, "{url:?}: {}", refused.text());
        refused.problem_with(422, "validation", "config.url");
    }
    let long = format!("https://example.com/{}", "x".repeat(3_000));
    let refused = tenant.admin.post("/v1/endpoints", &endpoint_request(&long, json!({}))).await;
    refused.problem_with(422, "validation", "config.url");
    // The endpoint's own list narrows what may be called, and opens nothing.
    let config = json!({"config": {"ip_allowlist": ["10.0.0.0/8"]}});
    let refused = tenant.admin.post("/v1/endpoints", &endpoint_request("https://10.0.0.1/", config)).await;
    refused.problem_with(422, "validation", "config.url");
    let config = json!({"config": {"ip_allowlist": ["198.51.100.0/24"]}});
    let refused = tenant.admin.post("/v1/endpoints", &endpoint_request("https://8.8.8.8/", config)).await;
    refused.problem_with(422, "validation", "config.url");
}

pub(crate) async fn a_change_cannot_bring_in_a_private_address(target: &Target) {
    let tenant = target.tenant("moved").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let route = format!("/v1/endpoints/{}", endpoint.id);
    for url in PRIVATE {
        let refused = tenant.admin.patch(&route, &json!({"config": {"url": url}})).await;
        refused.problem_with(422, "validation", "config.url");
    }
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(receiver.count("/hook"), 1);
}
