//! A stop on request: what is under way ends and is recorded, what waits is kept.

use std::time::Duration;

use postrider_tests::{Answer, Receiver, Tenant};
use serde_json::json;

use crate::laboratory::Laboratory;

/// How many attempts are under way.
const UNDER_WAY: usize = 5;

pub(crate) async fn attempts_under_way_are_recorded() {
    let laboratory = Laboratory::new();
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::ok().after(Duration::from_millis(1_500))]);
    let server = laboratory.start();
    let tenant = Tenant::create(&laboratory.platform(&server), "stop").await;
    let endpoint = tenant.fast_endpoint(&receiver.url("/hook"), json!({})).await;
    let mut ids = Vec::new();
    for number in 0..UNDER_WAY {
        ids.push(tenant.publish(&json!({"type": "a.b", "data": number})).await);
    }
    receiver.wait_for("/hook", UNDER_WAY).await;
    let status = server.interrupt();
    assert!(status.success(), "{status}");

    let server = laboratory.start();
    let tenant = Tenant { id: tenant.id, admin: tenant.admin.at(server.url()) };
    for id in &ids {
        let delivery = tenant.delivery(id, &endpoint.id, "delivered").await;
        assert_eq!(delivery["attempt_count"], 1, "{delivery}");
    }
    // What was sent before this has been sent when this arrives.
    receiver.answer("/hook", [Answer::ok()]);
    let last = tenant.publish(&json!({"type": "a.last", "data": 1})).await;
    tenant.delivery(&last, &endpoint.id, "delivered").await;
    assert_eq!(receiver.count("/hook"), UNDER_WAY + 1, "something was repeated");
    assert!(server.interrupt().success());
}

pub(crate) async fn waiting_deliveries_are_kept() {
    let laboratory = Laboratory::new();
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500), Answer::ok()]);
    let server = laboratory.start();
    let tenant = Tenant::create(&laboratory.platform(&server), "wait").await;
    let retry = json!({"strategy": "fixed", "initial_delay": 4, "max_attempts": 3, "jitter": 0});
    let endpoint = tenant.fast_endpoint(&receiver.url("/hook"), json!({"retry": retry})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": {"n": 1}})).await;
    tenant.delivery(&id, &endpoint.id, "retrying").await;
    assert!(server.interrupt().success());

    let server = laboratory.start();
    let tenant = Tenant { id: tenant.id, admin: tenant.admin.at(server.url()) };
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(delivery["attempt_count"], 2, "{delivery}");
    let requests = receiver.requests("/hook");
    assert_eq!(requests.len(), 2);
    let waited = requests[1].arrived - requests[0].answered().unwrap();
    assert!(waited >= Duration::from_millis(3_995), "{waited:?}");
    assert!(server.interrupt().success());
}
