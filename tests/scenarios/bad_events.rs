//! Events that are refused.

use postrider_tests::settings::settings;
use postrider_tests::tenant::text;
use postrider_tests::{Target, client};
use reqwest::Method;
use serde_json::json;

use crate::tables::assert_refused;

const ROUTE: &str = "/v1/events";

/// Routes that take a body.
const ROUTES: [&str; 5] =
    [ROUTE, "/v1/events/batch", "/v1/endpoints", "/v1/keys", "/v1/dead-letters/redrive"];

pub(crate) async fn events_are_refused_by_field(target: &Target) {
    let tenant = target.tenant("bad-events").await;
    let with = |members: &str| format!(r#"{{"type":"a.b","data":1,{members}}}"#);
    let long_text = "x".repeat(257);
    let long_type = format!(r#"{{"type":"{}","data":1}}"#, "x".repeat(129));
    let long_id = with(&format!(r#""event_id":"{}""#, "x".repeat(129)));
    let long_source = with(&format!(r#""source":"{long_text}""#));
    let long_correlation = with(&format!(r#""correlation_id":"{long_text}""#));
    let long_tag = with(&format!(r#""tags":["a","{}"]"#, "x".repeat(65)));
    let many_tags = with(&format!(r#""tags":{}"#, json!(vec!["t"; 21])));
    let many_endpoints =
        with(&format!(r#""endpoints":{}"#, json!(vec!["ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2"; 101])));
    let table = [
        // Wrong types and unknown fields.
        (r#"{"type":7,"data":1}"#, 400, "type"),
        (r#"{"type":null,"data":1}"#, 422, "type"),
        (&with(r#""event_id":7"#), 400, "event_id"),
        (&with(r#""tags":"a""#), 400, "tags"),
        (&with(r#""tags":["a",7]"#), 400, "tags[1]"),
        (&with(r#""source":{}"#), 400, "source"),
        (&with(r#""endpoints":7"#), 400, "endpoints"),
        (&with(r#""endpoints":[7]"#), 400, "endpoints[0]"),
        (&with(r#""colour":"red""#), 400, "colour"),
        (&with(r#""priority":"high""#), 400, "priority"),
        // Missing and invalid values.
        (r#"{"data":1}"#, 422, "type"),
        (r#"{"type":"a.b"}"#, 422, "data"),
        (r#"{"type":"","data":1}"#, 422, "type"),
        (r#"{"type":"a..b","data":1}"#, 422, "type"),
        (r#"{"type":"a.*","data":1}"#, 422, "type"),
        (r#"{"type":"a b","data":1}"#, 422, "type"),
        (r#"{"type":"é","data":1}"#, 422, "type"),
        (&long_type, 422, "type"),
        (&with(r#""event_id":"""#), 422, "event_id"),
        (&with(r#""event_id":"a.b""#), 422, "event_id"),
        (&with(r#""event_id":"a b""#), 422, "event_id"),
        (&long_id, 422, "event_id"),
        (&with(r#""priority":11"#), 422, "priority"),
        (&with(r#""priority":-1"#), 422, "priority"),
        (&with(r#""deliver_at":"soon""#), 422, "deliver_at"),
        (r#"{"type":"postrider.circuit.opened","data":1}"#, 422, "type"),
        (&with(r#""occurred_at":"yesterday""#), 422, "occurred_at"),
        (&with(r#""occurred_at":"2026-02-30T00:00:00Z""#), 422, "occurred_at"),
        (&with(r#""source":"""#), 422, "source"),
        (&long_source, 422, "source"),
        (&with(r#""source":"a\nb""#), 422, "source"),
        (&long_correlation, 422, "correlation_id"),
        (&many_tags, 422, "tags"),
        (&long_tag, 422, "tags[1]"),
        (&with(r#""endpoints":[]"#), 422, "endpoints"),
        (&with(r#""endpoints":"all""#), 422, "endpoints"),
        (&with(r#""endpoints":["ep_1"]"#), 422, "endpoints[0]"),
        (&with(r#""endpoints":["ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2"]"#), 422, "endpoints[0]"),
        (&many_endpoints, 422, "endpoints"),
    ];
    assert_refused(&tenant.admin, Method::POST, ROUTE, &table).await;
    let batches = [
        (r#"{}"#, 422, "events"),
        (r#"{"events":7}"#, 400, "events"),
        (r#"{"events":[],"more":1}"#, 400, "more"),
    ];
    assert_refused(&tenant.admin, Method::POST, "/v1/events/batch", &batches).await;
    let events = tenant.admin.get(ROUTE).await.expect(200).json();
    assert_eq!(events["items"], json!([]), "something was accepted");
}

pub(crate) async fn bodies_are_refused_by_form(target: &Target) {
    let tenant = target.tenant("bad-bodies").await;
    let broken = [
        r#"{"type":"a.b","data":"#,
        r#"{"type":"a.b","data":1}}"#,
        r#"{"type":"a.b","data":1,}"#,
        r#"{'type':'a.b','data':1}"#,
        r#"{"type":"a.b","data":01}"#,
        r#"{"type":"a.b","data":NaN}"#,
        "{\"type\":\"a.b\",\"data\":\"a\nb\"}",
        "\u{FEFF}{\"type\":\"a.b\",\"data\":1}",
    ];
    for body in broken {
        tenant.admin.post_text(ROUTE, body).await.problem(400, "malformed-json");
    }
    for route in ROUTES {
        for body in ["", "{", "{}}", "{} {}", "{\"", "not json", "\u{FEFF}{}"] {
            tenant.admin.post_text(route, body).await.problem(400, "malformed-json");
        }
    }
    // A text that is not UTF-8: the emulator's gateway makes it UTF-8 before Postrider sees it.
    let bytes = b"{\"type\":\"a.b\",\"data\":\"\xFF\"}";
    let answer = tenant.admin.post_text(ROUTE, &bytes[..]).await;
    if settings().emulator.is_none() {
        answer.problem(400, "malformed-json");
    }
    // A number of levels that nobody means.
    let deep = format!(r#"{{"type":"a.b","data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let answer = tenant.admin.post_text(ROUTE, deep).await;
    assert!((400..500).contains(&answer.status) || answer.status == 202, "{}", answer.text());

    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = tenant.admin.request(Method::POST, ROUTE).body(r#"{"type":"a.b","data":1}"#);
        let answer = client::answer(request.header("content-type", content_type)).await.unwrap();
        answer.problem(415, "unsupported-media-type");
    }
    let request = tenant.admin.request(Method::POST, ROUTE).body(r#"{"type":"a.b","data":1}"#);
    let json = request.header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(client::answer(json).await.unwrap().expect(202).json()["status"], "accepted");
}

pub(crate) async fn only_objects_are_requests(target: &Target) {
    let tenant = target.tenant("no-objects").await;
    // The second one holds the values of an event in their order, without their names.
    let bodies = ["[]", r#"["e1","a.b",1,null,null,null,null,null]"#, "7", "null", "true", "\"text\""];
    for route in ROUTES {
        for body in bodies {
            let refused = tenant.admin.post_text(route, body).await;
            assert_eq!(refused.status, 400, "{route} with {body}: {}", refused.text());
            refused.problem(400, "bad-request");
        }
    }
}

pub(crate) async fn oversized_bodies_name_the_limit(target: &Target) {
    let tenant = target.tenant("oversized").await;
    let spaces = |bytes: usize| " ".repeat(bytes);
    let cases = [
        (
            ROUTE,
            format!(r#"{{"type":"a.b","data":1{}}}"#, spaces(5_000_000 + 64 * 1024)),
            5_000_000 + 64 * 1024,
        ),
        ("/v1/events/batch", format!(r#"{{"events":[]{}}}"#, spaces(5 * 1024 * 1024)), 5 * 1024 * 1024),
        ("/v1/endpoints", format!(r#"{{"name":"x"{}}}"#, spaces(128 * 1024)), 128 * 1024),
    ];
    for (route, body, limit) in cases {
        let refused = tenant.admin.post_text(route, body).await;
        let problem = refused.problem(413, "too-large");
        assert_eq!(problem["limit_bytes"], limit, "{route}: {problem}");
        assert!(text(&problem, "detail").contains(&limit.to_string()), "{route}: {problem}");
    }
}
