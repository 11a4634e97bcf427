//! What is accepted, what is refused, and how it is told.

use postrider_application::ports::Outbound as _;
use postrider_application::ports::channel::MASK;
use postrider_domain::signature::KeyKind;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::webhook::tests::FakeOutbound;

fn read(config: &Value) -> Result<Config, Vec<FieldProblem>> {
    check(config, &FakeOutbound::default())
}

fn check(config: &Value, outbound: &FakeOutbound) -> Result<Config, Vec<FieldProblem>> {
    Config::read(config, &|url, networks| outbound.check_url(url, networks))
}

/// A configuration with a URL and these other fields.
fn with(fields: Value) -> Value {
    let mut config = json!({"url": "https://example.com/hook"});
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

fn problems(config: &Value) -> Vec<FieldProblem> {
    read(config).expect_err(&config.to_string())
}

fn fields(config: &Value) -> Vec<String> {
    problems(config).into_iter().map(|problem| problem.field).collect()
}

#[test]
fn a_url_is_enough() {
    let config = read(&with(json!({}))).unwrap();
    assert_eq!(config.url.as_str(), "https://example.com/hook");
    assert_eq!((config.method, config.payload), (Method::POST, Payload::Envelope));
    assert!(matches!((config.auth, config.signature), (Auth::None, Signature::Standard(&[KeyKind::Hmac]))));
    assert!(config.headers.is_empty() && config.ip_allowlist.is_empty());
    assert!(config.success_codes.contain(200) && config.success_codes.contain(299));
    assert!(!config.success_codes.contain(199) && !config.success_codes.contain(300));
}

#[test]
fn everything_can_be_said() {
    let config = read(&with(json!({
        "method": "PUT",
        "headers": {"X-Team": "payments", "content-type": "application/cloudevents+json", "User-Agent": "acme"},
        "auth": {"type": "basic", "username": "user", "password": "pass:word"},
        "signature": {"scheme": "body", "header": "X-Hub-Signature-256", "encoding": "base64",
                      "prefix": "sha256=", "secret": "shared"},
        "success_codes": [202, 409, "2xx"],
        "ip_allowlist": ["203.0.113.0/24", "2001:db8::1"],
        "payload": "data",
    })))
    .unwrap();
    assert_eq!((config.method, config.payload), (Method::PUT, Payload::Data));
    assert_eq!(config.headers["x-team"], "payments");
    let Auth::Basic { username, password } = config.auth else { panic!("{:?}", config.auth) };
    assert_eq!((username.as_str(), password.expose_secret()), ("user", "pass:word"));
    let Signature::Body(body) = config.signature else { panic!("{:?}", config.signature) };
    assert_eq!((body.header.as_str(), body.prefix.as_str()), ("x-hub-signature-256", "sha256="));
    assert_eq!(body.secret.unwrap().expose_secret(), "shared");
    assert!(config.success_codes.contain(204) && config.success_codes.contain(409));
    let networks: Vec<String> = config.ip_allowlist.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["203.0.113.0/24", "2001:db8::1/128"]);
}

#[test]
fn fields_that_are_null_are_absent() {
    let absent = json!({"method": null, "headers": null, "auth": null, "signature": null, "success_codes": null,
                        "ip_allowlist": null, "payload": null, "link_ttl_seconds": null});
    assert!(read(&with(absent)).is_ok());
    assert_eq!(fields(&json!({"url": null})), ["url"]);
}

#[test]
fn every_problem_is_told_with_its_field() {
    let config = json!({
        "urll": "https://example.com",
        "method": "GET",
        "headers": {"Host": "x", "X-Fine": "y", "X-Bad": "a\nb"},
        "auth": {"type": "bearer", "tokn": "t"},
        "signature": {"scheme": "body", "encoding": "base32"},
        "success_codes": [200, 302],
        "ip_allowlist": ["10.0.0.0/8", "10.0.0.1/8"],
        "payload": "xml",
    });
    let expected = [
        "urll",
        "ip_allowlist[1]",
        "url",
        "method",
        "headers.Host",
        "headers.X-Bad",
        "auth.tokn",
        "auth.token",
        "signature.header",
        "signature.encoding",
        "success_codes[1]",
        "payload",
    ];
    assert_eq!(fields(&config), expected);
}

#[test]
fn an_unknown_field_is_told_what_there_is() {
    let problem = problems(&with(json!({"header": {}}))).remove(0);
    assert_eq!(problem.field, "header");
    assert!(problem.message.contains("headers, auth"), "{problem}");
}

#[test]
fn bad_values_are_told_where_they_are() {
    let many: Value =
        (0..21).map(|n| (format!("x-{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let cases = [
        (json!([]), ""),
        (json!("https://example.com"), ""),
        (json!({}), "url"),
        (json!({"url": 1}), "url"),
        (json!({"url": ""}), "url"),
        (json!({"url": "example.com"}), "url"),
        (json!({"url": "https://"}), "url"),
        (json!({"url": "https://exa mple.com/"}), "url"),
        (json!({"url": "https://exam\nple.com/"}), "url"),
        (json!({"url": " https://example.com/"}), "url"),
        (json!({"url": "https://example.com/#part"}), "url"),
        (json!({"url": "https://user@example.com/"}), "url"),
        (json!({"url": "ftp://example.com/"}), "url"),
        (json!({"url": "https://{host}.example.com/"}), "url"),
        (json!({"url": format!("https://example.com/{}", "x".repeat(2048))}), "url"),
        (with(json!({"method": "post"})), "method"),
        (with(json!({"method": 1})), "method"),
        (with(json!({"headers": []})), "headers"),
        (with(json!({"headers": many})), "headers"),
        (with(json!({"headers": {"x-long": "v".repeat(2048)}})), "headers"),
        (with(json!({"headers": {"": "v"}})), "headers."),
        (with(json!({"headers": {"a b": "v"}})), "headers.a b"),
        (with(json!({"headers": {"x": 1}})), "headers.x"),
        (with(json!({"headers": {"x": "é"}})), "headers.x"),
        (with(json!({"headers": {"x": " v"}})), "headers.x"),
        (with(json!({"headers": {"X-A": "1", "x-a": "2"}})), "headers.x-a"),
        (with(json!({"headers": {"Webhook-Id": "v"}})), "headers.Webhook-Id"),
        (with(json!({"headers": {"webhook-anything": "v"}})), "headers.webhook-anything"),
        (with(json!({"headers": {"Content-Length": "1"}})), "headers.Content-Length"),
        (with(json!({"headers": {"Transfer-Encoding": "v"}})), "headers.Transfer-Encoding"),
        (with(json!({"headers": {"Connection": "close"}})), "headers.Connection"),
        (with(json!({"headers": {"Upgrade": "h2c"}})), "headers.Upgrade"),
        (with(json!({"headers": {"TE": "v"}})), "headers.TE"),
        (with(json!({"headers": {"X-Api-Key": MASK}})), "headers.X-Api-Key"),
        (with(json!({"auth": "bearer"})), "auth"),
        (with(json!({"auth": {}})), "auth.type"),
        (with(json!({"auth": {"type": "digest"}})), "auth.type"),
        (with(json!({"auth": {"type": "none", "token": "t"}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer"}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer", "token": ""}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer", "token": 5}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer", "token": "a b"}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer", "token": MASK}})), "auth.token"),
        (with(json!({"auth": {"type": "bearer", "token": "t".repeat(4097)}})), "auth.token"),
        (with(json!({"auth": {"type": "basic", "username": "u"}})), "auth.password"),
        (with(json!({"auth": {"type": "basic", "password": "p"}})), "auth.username"),
        (with(json!({"auth": {"type": "basic", "username": "u:v", "password": "p"}})), "auth.username"),
        (with(json!({"auth": {"type": "basic", "username": "u", "password": "\n"}})), "auth.password"),
        (with(json!({"auth": {"type": "basic", "username": "u", "password": MASK}})), "auth.password"),
        (
            with(json!({"auth": {"type": "bearer", "token": "t"}, "headers": {"authorization": "x"}})),
            "headers",
        ),
        (with(json!({"signature": "body"})), "signature"),
        (with(json!({"signature": {}})), "signature.scheme"),
        (with(json!({"signature": {"scheme": "rsa"}})), "signature.scheme"),
        (with(json!({"signature": {"scheme": "standard", "header": "x"}})), "signature.header"),
        (with(json!({"signature": {"scheme": "ed25519", "secret": "x"}})), "signature.secret"),
        (with(json!({"signature": {"scheme": "body"}})), "signature.header"),
        (with(json!({"signature": {"scheme": "body", "header": "webhook-id"}})), "signature.header"),
        (with(json!({"signature": {"scheme": "body", "header": "a b"}})), "signature.header"),
        (with(json!({"signature": {"scheme": "body", "header": "Authorization"}})), "signature.header"),
        (
            with(json!({"signature": {"scheme": "body", "header": "x"}, "headers": {"X": "v"}})),
            "signature.header",
        ),
        (with(json!({"signature": {"scheme": "body", "header": "x", "prefix": "\n"}})), "signature.prefix"),
        (
            with(json!({"signature": {"scheme": "body", "header": "x", "prefix": "p".repeat(65)}})),
            "signature.prefix",
        ),
        (with(json!({"signature": {"scheme": "body", "header": "x", "secret": ""}})), "signature.secret"),
        (with(json!({"signature": {"scheme": "body", "header": "x", "secret": MASK}})), "signature.secret"),
        (with(json!({"success_codes": []})), "success_codes"),
        (with(json!({"success_codes": "2xx"})), "success_codes"),
        (with(json!({"success_codes": [199]})), "success_codes[0]"),
        (with(json!({"success_codes": ["3xx"]})), "success_codes[0]"),
        (with(json!({"success_codes": ["200"]})), "success_codes[0]"),
        (with(json!({"success_codes": [200.5]})), "success_codes[0]"),
        (with(json!({"success_codes": [65736]})), "success_codes[0]"),
        (with(json!({"success_codes": [301]})), "success_codes[0]"),
        (with(json!({"success_codes": [410]})), "success_codes[0]"),
        (with(json!({"success_codes": [500]})), "success_codes[0]"),
        (with(json!({"ip_allowlist": "10.0.0.1"})), "ip_allowlist"),
        (with(json!({"ip_allowlist": [5]})), "ip_allowlist[0]"),
        (with(json!({"ip_allowlist": ["example.com"]})), "ip_allowlist[0]"),
        (with(json!({"payload": "none"})), "payload"),
        (with(json!({"link_ttl_seconds": 3600})), "link_ttl_seconds"),
        (with(json!({"payload": "data", "link_ttl_seconds": 3600})), "link_ttl_seconds"),
        (with(json!({"payload": "thin", "link_ttl_seconds": 59})), "link_ttl_seconds"),
        (with(json!({"payload": "thin", "link_ttl_seconds": 2_592_001})), "link_ttl_seconds"),
        (with(json!({"payload": "thin", "link_ttl_seconds": 3600.5})), "link_ttl_seconds"),
        (with(json!({"payload": "thin", "link_ttl_seconds": "3600"})), "link_ttl_seconds"),
    ];
    for (config, field) in cases {
        assert_eq!(fields(&config), [field], "{config}");
    }
}

#[test]
fn a_link_is_good_for_as_long_as_the_endpoint_says() {
    let ttl = |fields| read(&with(fields)).unwrap().payload.link_ttl().map(|ttl| ttl.as_secs());
    assert_eq!(ttl(json!({"payload": "thin"})), Some(604_800));
    for seconds in [60, 2_592_000] {
        assert_eq!(ttl(json!({"payload": "thin", "link_ttl_seconds": seconds})), Some(seconds));
    }
    assert_eq!(ttl(json!({"payload": "data"})), None);
}

#[test]
fn the_older_signature_may_be_in_the_standard_header() {
    let config = read(&with(json!({"signature": {"scheme": "body", "header": "Webhook-Signature"}})));
    assert!(config.is_ok());
}

#[test]
fn the_guard_is_asked_about_the_url_with_the_endpoints_list() {
    let outbound = FakeOutbound::refusing();
    let config = json!({"url": "https://10.0.0.1/hook", "ip_allowlist": ["10.0.0.0/8"]});
    let problems = check(&config, &outbound).unwrap_err();
    assert_eq!(problems[0].field, "url");
    assert!(problems[0].message.contains("10.0.0.1 is a private address"), "{}", problems[0]);
    let (url, networks) = outbound.checked().remove(0);
    assert_eq!((url.as_str(), networks), ("https://10.0.0.1/hook", vec!["10.0.0.0/8".parse().unwrap()]));
}

/// A configuration that is full of a credential.
fn full_of(secret: &str) -> Value {
    with(json!({
        "headers": {"X-Api-Key": secret, "X-Team": "payments"},
        "auth": {"type": "basic", "username": "user", "password": secret},
        "signature": {"scheme": "body", "header": "X-Signature", "secret": secret},
    }))
}

proptest! {
    #[test]
    fn debug_and_problems_show_no_credential(secret in "[A-Za-z0-9!#]{12,40}") {
        let config = read(&full_of(&secret)).unwrap();
        let shown = format!("{config:?}");
        prop_assert!(!shown.contains(&secret), "{}", shown);

        let mut broken = full_of(&format!("{secret}\u{7}é"));
        broken["auth"]["type"] = json!("bearer");
        broken["auth"]["token"] = json!(format!("{secret} é"));
        broken["url"] = json!("https://example.com/ ");
        let problems = problems(&broken);
        prop_assert!(problems.len() >= 4);
        let shown = format!("{problems:?}");
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
