//! Many events in one request, each judged by itself.

use postrider_tests::tenant::{list, text};
use postrider_tests::{Receiver, Target};
use serde_json::{Value, json};

const ROUTE: &str = "/v1/events/batch";

pub(crate) async fn one_bad_event_rejects_only_itself(target: &Target) {
    let tenant = target.tenant("batch").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    tenant.publish(&json!({"event_id": "taken", "type": "a.b", "data": 1})).await;
    // What is wrong with an event, and the field that is named.
    let bad = [
        (r#"{"type":"a..b","data":1}"#, 422, "type"),
        (r#"{"type":7,"data":1}"#, 400, "type"),
        (r#"{"type":"a.b"}"#, 422, "data"),
        (r#"{"type":"a.b","data":1,"colour":"red"}"#, 400, "colour"),
        (r#"{"event_id":"a.b","type":"a.b","data":1}"#, 422, "event_id"),
        (r#"{"event_id":"taken","type":"a.b","data":2}"#, 409, "event_id"),
        (r#"{"type":"a.b","data":1,"occurred_at":"yesterday"}"#, 422, "occurred_at"),
    ];
    let mut events = vec![r#"{"event_id":"first","type":"a.b","data":1.10}"#.to_owned()];
    events.extend(bad.iter().map(|(event, _, _)| (*event).to_owned()));
    events.push(format!(r#"{{"type":"a.b","data":"{}"}}"#, "x".repeat(4_999_999)));
    events.push("17".to_owned());
    events.push(r#"{"event_id":"last","type":"a.b","data":{"z":1,"a":2}}"#.to_owned());
    let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
    let answer = tenant.admin.post_text(ROUTE, body).await.expect(200).json();
    let items = list(&answer, "items");
    assert_eq!(items.len(), events.len());
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index, "{item}");
    }
    let last = items.len() - 1;
    for (index, id) in [(0, "first"), (last, "last")] {
        let item = &items[index];
        assert_eq!((&item["status"], &item["event_id"]), (&json!("accepted"), &json!(id)), "{item}");
        assert_eq!(item["duplicate"], false);
        assert_ne!(text(item, "accepted_at"), "");
    }
    for (item, (event, status, field)) in items[1..].iter().zip(bad) {
        assert_rejected(item, status);
        assert_eq!(item["problem"]["errors"][0]["field"], field, "{event}: {item}");
    }
    assert_rejected(&items[last - 2], 413);
    assert_eq!(items[last - 2]["problem"]["limit_bytes"], 5_000_000);
    assert_rejected(&items[last - 1], 400);

    let mut arrived = Vec::new();
    for request in receiver.wait_for("/hook", 3).await {
        arrived.push(format!("{} {}", request.webhook_id(), request.envelope().data.get()));
    }
    arrived.sort();
    assert_eq!(arrived, ["first 1.10", r#"last {"z":1,"a":2}"#, "taken 1"]);
}

#[track_caller]
fn assert_rejected(item: &Value, status: u16) {
    assert_eq!(item["status"], "rejected", "{item}");
    assert_eq!(item["problem"]["status"], status, "{item}");
    assert_ne!(text(&item["problem"], "detail"), "");
    assert_ne!(text(&item["problem"], "type"), "");
}

pub(crate) async fn repetitions_inside_a_batch_are_recognised(target: &Target) {
    let tenant = target.tenant("batch-twice").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let event = |id: &str, n: u32| json!({"event_id": id, "type": "a.b", "data": {"n": n}});
    let events = json!({"events": [event("same", 1), event("other", 2), event("same", 1), event("same", 3)]});
    let answer = tenant.admin.post(ROUTE, &events).await.expect(200).json();
    let items = list(&answer, "items");
    assert_eq!(
        (&items[1]["status"], &items[1]["duplicate"]),
        (&json!("accepted"), &json!(false)),
        "{answer}"
    );
    // One of those named `same` is first, whichever it is; what differs from it is refused.
    let same = || items.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, item)| item);
    let first = same().filter(|item| item["status"] == "accepted" && item["duplicate"] == false).count();
    let again = same().filter(|item| item["status"] == "accepted" && item["duplicate"] == true).count();
    let refused = same().filter(|item| item["problem"]["status"] == 409).count();
    assert_eq!((first, again + refused), (1, 2), "{answer}");
    assert!((1..=2).contains(&refused), "{answer}");

    for id in ["same", "other"] {
        tenant.delivery(id, &endpoint.id, "delivered").await;
    }
    tenant.publish(&event("the-last", 4)).await;
    tenant.delivery("the-last", &endpoint.id, "delivered").await;
    let requests = receiver.requests("/hook");
    let mut ids: Vec<_> = requests.iter().map(|request| request.webhook_id()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["other", "same", "the-last"]);
}

pub(crate) async fn a_batch_has_up_to_a_hundred_events(target: &Target) {
    let tenant = target.tenant("batch-limit").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let batch = |count: usize| {
        let events: Vec<_> = (0..count).map(|number| json!({"type": "a.b", "data": number})).collect();
        json!({"events": events})
    };
    let refused = tenant.admin.post(ROUTE, &batch(101)).await;
    refused.problem_with(422, "validation", "events");
    let refused = tenant.admin.post(ROUTE, &batch(0)).await;
    refused.problem_with(422, "validation", "events");
    let answer = tenant.admin.post(ROUTE, &batch(100)).await.expect(200).json();
    let ids: Vec<_> = list(&answer, "items").iter().map(|item| text(item, "event_id")).collect();
    let mut numbers = vec![];
    for request in receiver.wait_for("/hook", 100).await {
        let number = request.json()["data"].as_u64().unwrap();
        assert_eq!(request.webhook_id(), ids[usize::try_from(number).unwrap()]);
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}
