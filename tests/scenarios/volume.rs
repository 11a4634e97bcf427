//! Many events at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use postrider_tests::settings::scaled;
use postrider_tests::{Receiver, Target, harness, pages, wait};
use serde_json::{Value, json};

/// How many publishers work at a time.
const PUBLISHERS: usize = 64;

/// How long it may all take.
const USUAL: Duration = Duration::from_secs(180);

pub(crate) async fn ten_thousand_events_arrive_exactly_once(target: &Target) {
    let count = scaled(10_000);
    let tenant = target.tenant("volume").await;
    let receiver = Receiver::start().await;
    let subscriptions = json!({"subscriptions": [{"event_type": "load.*"}]});
    tenant.fast_endpoint(&receiver.url("/hook"), subscriptions).await;
    let begun = Instant::now();
    let published: HashMap<String, Value> = stream::iter(0..count)
        .map(|number| {
            let data = json!({"number": number, "text": format!("event {number} of {count}")});
            let tenant = &tenant;
            async move { (tenant.publish(&json!({"type": "load.test", "data": data})).await, data) }
        })
        .buffer_unordered(PUBLISHERS)
        .collect()
        .await;
    let accepted = begun.elapsed();
    assert_eq!(published.len(), count, "an id was given twice");
    receiver.wait_longer("/hook", count, USUAL).await;
    let arrived = begun.elapsed();

    wait::within(USUAL, "every delivery to be on record after one attempt", async || {
        let deliveries = pages::all(&tenant.admin, "/v1/deliveries", 100).await;
        let done = |delivery: &&Value| delivery["status"] == "delivered" && delivery["attempt_count"] == 1;
        let done = deliveries.iter().filter(done).count();
        if done == count { Ok(()) } else { Err(format!("{done} of {} deliveries", deliveries.len())) }
    })
    .await;
    let requests = receiver.requests("/hook");
    assert_eq!(requests.len(), count, "some events arrived more than once");
    let mut left = published;
    for request in requests {
        let data =
            left.remove(request.webhook_id()).unwrap_or_else(|| panic!("twice or unknown: {request:?}"));
        assert_eq!(request.json()["data"], data);
    }
    assert!(left.is_empty(), "{} events did not arrive", left.len());
    harness::say(&format!("{count} events: accepted in {accepted:.1?}, arrived in {arrived:.1?}"));
}
