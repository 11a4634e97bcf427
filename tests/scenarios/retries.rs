//! What happens after an attempt that did not succeed.

use std::sync::Arc;
use std::time::Duration;

use postrider_tests::tenant::{list, text};
use postrider_tests::{Answer, Receiver, Recorded, Target, signature};
use serde_json::{Value, json};

/// Times are recorded in milliseconds, rounded down.
const ROUNDING: Duration = Duration::from_millis(5);

/// A policy that waits for short, known times.
fn fixed(seconds: f64, max_attempts: u32) -> Value {
    json!({"strategy": "fixed", "initial_delay": seconds, "max_attempts": max_attempts, "jitter": 0})
}

/// Checks that each request came at least so long after the answer to the one before.
#[track_caller]
fn assert_waits(requests: &[Arc<Recorded>], seconds: &[f64]) {
    assert_eq!(requests.len(), seconds.len() + 1);
    for (pair, seconds) in requests.windows(2).zip(seconds) {
        let before = pair[0].answered().unwrap_or(pair[0].arrived);
        let waited = pair[1].arrived.duration_since(before) + ROUNDING;
        assert!(waited >= Duration::from_secs_f64(*seconds), "{waited:?} instead of {seconds} s");
    }
}

/// The outcomes of a delivery's attempts.
fn outcomes(delivery: &Value) -> Vec<&str> {
    list(delivery, "attempts").iter().map(|attempt| text(attempt, "outcome")).collect()
}

pub(crate) async fn a_receiver_that_fails_twice_gets_the_event_at_the_third_try(target: &Target) {
    let tenant = target.tenant("third-try").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500).body("oops"), Answer::status(503), Answer::ok()]);
    let retry = json!({"initial_delay": 0.3, "multiplier": 2, "jitter": 0});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"retry": retry})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": {"x": 1}})).await;

    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    let requests = receiver.requests("/hook");
    assert_waits(&requests, &[0.3, 0.6]);
    for request in &requests {
        assert_eq!((request.webhook_id(), &request.body), (id.as_str(), &requests[0].body));
        assert!(signature::is_valid(request, &endpoint.secret), "{request:?}");
    }
    assert_eq!(delivery["attempt_count"], 3);
    assert_eq!(outcomes(&delivery), ["retry", "retry", "delivered"]);
    let attempts = list(&delivery, "attempts");
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let statuses: Vec<_> =
        attempts.iter().map(|attempt| attempt["response_status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [500, 503, 200]);
    assert_eq!(attempts[0]["response_body"], "oops");
    assert!(text(&attempts[0], "error").contains("500"), "{delivery}");
    assert!(text(&attempts[0], "started_at") < text(&attempts[1], "started_at"), "{delivery}");
    assert_eq!((&delivery["error"], &delivery["response_status"]), (&json!(null), &json!(200)));
}

pub(crate) async fn retry_after_is_honoured(target: &Target) {
    let tenant = target.tenant("retry-after").await;
    let receiver = Receiver::start().await;
    let busy = |status| Answer::status(status).header("retry-after", "2");
    receiver.answer("/hook", [busy(429), busy(503), busy(500), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"retry": fixed(0.1, 4)})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    tenant.delivery(&id, &endpoint.id, "delivered").await;
    // After 500 the header has no meaning.
    assert_waits(&receiver.requests("/hook"), &[2.0, 2.0, 0.1]);
}

pub(crate) async fn a_silent_receiver_is_given_up_after_the_timeout(target: &Target) {
    let tenant = target.tenant("timeout").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::hang(), Answer::ok()]);
    let fields = json!({"timeout_seconds": 1, "retry": fixed(0.1, 3)});
    let endpoint = tenant.endpoint(&receiver.url("/hook"), fields).await;
    assert_eq!(endpoint.created["timeout_seconds"], 1);
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(outcomes(&delivery), ["retry", "delivered"]);
    let silent = &list(&delivery, "attempts")[0];
    assert!(silent["duration_ms"].as_u64().unwrap() >= 995, "{silent}");
    assert!(silent["response_status"].is_null() && silent["response_body"].is_null(), "{silent}");
    assert!(text(silent, "error").contains("timeout_seconds"), "{silent}");
}

pub(crate) async fn a_broken_connection_is_tried_again(target: &Target) {
    let tenant = target.tenant("broken").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::close(), Answer::cut("half an ans"), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"retry": fixed(0.1, 3)})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(outcomes(&delivery), ["retry", "retry", "delivered"]);
    for broken in &list(&delivery, "attempts")[..2] {
        assert_ne!(text(broken, "error"), "", "{delivery}");
    }
    assert_eq!(receiver.count("/hook"), 3);
}

pub(crate) async fn waits_follow_the_strategy(target: &Target) {
    let tenant = target.tenant("strategies").await;
    let receiver = Receiver::start().await;
    let policies = [
        (
            "/linear",
            json!({"strategy": "linear", "initial_delay": 0.2, "max_attempts": 3, "jitter": 0}),
            [0.2, 0.4],
        ),
        ("/fixed", fixed(0.3, 3), [0.3, 0.3]),
        ("/schedule", json!({"strategy": "schedule", "schedule": [1, 2], "jitter": 0}), [1.0, 2.0]),
        (
            "/bounded",
            json!({"initial_delay": 0.2, "multiplier": 100, "max_delay": 0.5, "max_attempts": 3, "jitter": 0}),
            [0.2, 0.5],
        ),
    ];
    let mut endpoints = Vec::new();
    for (path, policy, _) in &policies {
        receiver.answer(path, [Answer::status(500)]);
        endpoints.push(tenant.endpoint(&receiver.url(path), json!({"retry": policy})).await);
    }
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    for ((path, _, waits), endpoint) in policies.iter().zip(endpoints) {
        assert_eq!(endpoint.created["retry"]["max_attempts"], 3, "{path}");
        let delivery = tenant.delivery(&id, &endpoint.id, "failed").await;
        assert_eq!(outcomes(&delivery), ["retry"; 3], "{path}");
        assert_waits(&receiver.requests(path), waits);
    }
}

pub(crate) async fn an_unreachable_receiver_is_tried_again_at_its_new_address(target: &Target) {
    let tenant = target.tenant("unreachable").await;
    let gone = Receiver::start().await.url("/hook");
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&gone, json!({"retry": fixed(1.0, 30)})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "retrying").await;
    assert!(delivery["next_attempt_at"].is_string(), "{delivery}");
    assert_ne!(text(&delivery, "error"), "");
    assert_eq!(delivery["response_status"], json!(null));
    let moved = json!({"config": {"url": receiver.url("/hook")}});
    tenant.admin.patch(&format!("/v1/endpoints/{}", endpoint.id), &moved).await.expect(200);
    receiver.wait_for("/hook", 1).await;
    tenant.delivery(&id, &endpoint.id, "delivered").await;
}

pub(crate) async fn a_rejected_event_is_not_tried_again(target: &Target) {
    let tenant = target.tenant("rejected").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(400).body("no such order")]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({"retry": fixed(0.1, 5)})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "failed").await;
    assert_eq!(outcomes(&delivery), ["rejected"]);
    assert_eq!(list(&delivery, "attempts")[0]["response_body"], "no such order");
    let letter = tenant.dead_letter(&delivery).await;
    assert_eq!((&letter["reason"], &letter["attempt_count"]), (&json!("rejected"), &json!(1)));
    assert_eq!(receiver.count("/hook"), 1);
}

pub(crate) async fn a_redirect_is_not_followed(target: &Target) {
    let tenant = target.tenant("redirect").await;
    let receiver = Receiver::start().await;
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let path = format!("/from/{status}");
        receiver.answer(&path, [Answer::status(status).header("location", receiver.url("/target"))]);
        let endpoint = tenant.endpoint(&receiver.url(&path), json!({"subscriptions": []})).await;
        let event = json!({"type": "a.b", "data": number, "endpoints": [endpoint.id]});
        let id = tenant.publish(&event).await;
        let delivery = tenant.delivery(&id, &endpoint.id, "failed").await;
        assert_eq!(outcomes(&delivery), ["rejected"], "{status}");
        assert_eq!(delivery["response_status"], status);
        assert!(text(&delivery, "error").contains("redirect"), "{delivery}");
        assert_eq!(tenant.dead_letter(&delivery).await["reason"], "rejected");
        assert_eq!(receiver.count(&path), 1);
    }
    assert_eq!(receiver.count("/target"), 0);
}

pub(crate) async fn a_delivery_is_made_again_on_request(target: &Target) {
    let tenant = target.tenant("again").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::ok(), Answer::status(400), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    let route = format!("/v1/deliveries/{}/retry", text(&delivery, "id"));

    let accepted = tenant.admin.call(reqwest::Method::POST, &route, None).await.expect(202).json();
    assert_eq!(accepted["id"], delivery["id"]);
    let failed = tenant.delivery(&id, &endpoint.id, "failed").await;
    assert_eq!(outcomes(&failed), ["delivered", "rejected"]);
    let letter = tenant.dead_letter(&failed).await;
    assert_eq!(failed["dead_letter_id"], letter["id"]);

    // A retry deals with the dead letter as a redrive does.
    tenant.admin.call(reqwest::Method::POST, &route, None).await.expect(202);
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(delivery["attempt_count"], 3);
    let pending = tenant.admin.get("/v1/dead-letters?state=pending").await.expect(200).json();
    assert_eq!(pending["items"], json!([]));
    assert_eq!(receiver.count("/hook"), 3);

    tenant.admin.delete(&format!("/v1/endpoints/{}", endpoint.id)).await.expect(204);
    let refused = tenant.admin.call(reqwest::Method::POST, &route, None).await;
    refused.problem(409, "conflict");
}
