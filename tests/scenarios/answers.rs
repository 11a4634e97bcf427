//! What receivers answer, and what is kept of it.

use std::time::Duration;

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Receiver, Target};
use serde_json::json;

/// How much of an answer's body is kept.
const KEPT_BYTES: usize = 4096;

/// What nobody may read of an answer that is not of use.
const MOST_READ_BYTES: u64 = 10 * 1024 * 1024;

pub(crate) async fn a_huge_answer_is_cut(target: &Target) {
    let tenant = target.tenant("huge").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::endless()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    let attempt = &delivery["attempts"][0];
    assert_eq!(attempt["response_body_truncated"], true);
    let body = text(attempt, "response_body");
    assert!((1..=KEPT_BYTES).contains(&body.len()) && body.bytes().all(|byte| byte == b'x'), "{body}");
    let read = receiver.requests("/hook")[0].sent_bytes();
    assert!(read < MOST_READ_BYTES, "{read} bytes were taken");
}

pub(crate) async fn answers_are_kept_as_text(target: &Target) {
    let tenant = target.tenant("answers").await;
    let receiver = Receiver::start().await;
    let long = "é".repeat(KEPT_BYTES);
    let cases = [
        ("/empty", Answer::ok(), "", false),
        ("/text", Answer::ok().body("thank you, Änne"), "thank you, Änne", false),
        ("/bytes", Answer::ok().body(&b"a\xFFb\0"[..]), "a\u{FFFD}b\0", false),
        ("/exact", Answer::ok().body(long[..KEPT_BYTES].to_owned()), &long[..KEPT_BYTES], false),
        ("/long", Answer::ok().body(long.clone()), &long[..KEPT_BYTES], true),
        ("/late", Answer::ok().body("late").after(Duration::from_millis(300)), "late", false),
        ("/failed", Answer::status(422).body("{\"error\":\"no\"}"), "{\"error\":\"no\"}", false),
    ];
    for (path, answer, kept, truncated) in cases {
        receiver.answer(path, [answer.header("x-trace", path).header("set-cookie", "session=s3cret")]);
        let endpoint = tenant.endpoint(&receiver.url(path), json!({"subscriptions": []})).await;
        let id = tenant.publish(&json!({"type": "a.b", "data": 1, "endpoints": [endpoint.id]})).await;
        let status = if path == "/failed" { "failed" } else { "delivered" };
        let delivery = tenant.delivery(&id, &endpoint.id, status).await;
        let attempt = &delivery["attempts"][0];
        assert_eq!(attempt["response_body"], kept, "{path}");
        assert_eq!(attempt["response_body_truncated"], truncated, "{path}");
        assert_eq!(attempt["response_headers"]["x-trace"], path);
        assert!(!delivery.to_string().contains("s3cret"), "{delivery}");
    }
}

pub(crate) async fn success_is_what_the_endpoint_says(target: &Target) {
    let tenant = target.tenant("success").await;
    let receiver = Receiver::start().await;
    let cases = [
        ("/201", 201, json!(null), "delivered"),
        ("/204", 204, json!(null), "delivered"),
        ("/299", 299, json!(null), "delivered"),
        ("/404", 404, json!(null), "failed"),
        ("/200-is-not-listed", 200, json!([201, 202]), "failed"),
        ("/202-is-listed", 202, json!([201, 202]), "delivered"),
        ("/409-is-listed", 409, json!(["2xx", 409]), "delivered"),
        ("/203-is-2xx", 203, json!(["2xx", 409]), "delivered"),
    ];
    for (path, answer, codes, status) in cases {
        receiver.answer(path, [Answer::status(answer)]);
        let config = json!({"success_codes": codes});
        let fields = json!({"subscriptions": [], "config": config});
        let endpoint = tenant.endpoint(&receiver.url(path), fields).await;
        let id = tenant.publish(&json!({"type": "a.b", "data": 1, "endpoints": [endpoint.id]})).await;
        let delivery = tenant.delivery(&id, &endpoint.id, status).await;
        assert_eq!(
            (&delivery["response_status"], &delivery["attempt_count"]),
            (&json!(answer), &json!(1)),
            "{path}"
        );
    }
}
