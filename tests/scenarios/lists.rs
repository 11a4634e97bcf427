//! Lists: paged, newest first, filtered.

use std::collections::BTreeSet;

use postrider_tests::tenant::text;
use postrider_tests::{Answer, Receiver, Target, Tenant, eventually, pages};
use serde_json::{Value, json};

/// More than the pages that are asked for, and spread over both kinds of event ids.
const EVENTS: usize = 47;

/// Publishes events, every third one under an id of its own. Answers their ids in order.
async fn publish_many(tenant: &Tenant) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..EVENTS {
        let event_type = if number % 2 == 0 { "even.one" } else { "odd.one" };
        let mut event = json!({"type": event_type, "data": number});
        if number % 3 == 0 {
            event["event_id"] = format!("own-{number}").into();
        }
        ids.push(tenant.publish(&event).await);
    }
    ids
}

#[track_caller]
fn assert_same(listed: &[String], expected: &[String]) {
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "something is listed twice: {listed:?}");
    assert_eq!(distinct, expected.iter().collect(), "not what was expected");
}

#[track_caller]
fn assert_newest_first(times: &[String]) {
    assert!(times.is_sorted_by(|newer, older| newer >= older), "not newest first: {times:?}");
}

pub(crate) async fn events_are_listed_newest_first(target: &Target) {
    let tenant = target.tenant("event-list").await;
    let ids = publish_many(&tenant).await;
    for limit in [1, 7, 47, 100] {
        let rows = pages::all(&tenant.admin, "/v1/events", limit).await;
        assert_same(&pages::texts(&rows, "id"), &ids);
        assert_newest_first(&pages::texts(&rows, "accepted_at"));
        assert!(rows.iter().all(|row| row.get("data").is_none()), "data belongs to a single event");
    }
    let even: Vec<_> = ids.iter().step_by(2).cloned().collect();
    for limit in [2, 5, 100] {
        let rows = pages::all(&tenant.admin, "/v1/events?type=even.one", limit).await;
        assert_same(&pages::texts(&rows, "id"), &even);
    }
    let none = pages::all(&tenant.admin, "/v1/events?type=no.such", 5).await;
    assert!(none.is_empty(), "{none:?}");
}

pub(crate) async fn deliveries_are_listed_newest_first(target: &Target) {
    let tenant = target.tenant("delivery-list").await;
    let receiver = Receiver::start().await;
    let mut endpoints = Vec::new();
    for path in ["/a", "/b", "/c"] {
        endpoints.push(tenant.endpoint(&receiver.url(path), json!({})).await);
    }
    let ids = publish_many(&tenant).await;
    let expected = 3 * EVENTS;
    let rows = eventually("all deliveries to be delivered", async || {
        let rows = pages::all(&tenant.admin, "/v1/deliveries?status=delivered", 100).await;
        if rows.len() == expected { Ok(rows) } else { Err(format!("{} of {expected}", rows.len())) }
    })
    .await;
    let all = pages::texts(&rows, "id");
    for limit in [1, 4, 50] {
        let rows = pages::all(&tenant.admin, "/v1/deliveries", limit).await;
        assert_same(&pages::texts(&rows, "id"), &all);
        let places: Vec<_> =
            rows.iter().map(|row| ids.iter().position(|id| row["event_id"] == *id)).collect();
        // Events that were accepted in the same millisecond have no order.
        assert_eq!(places.iter().flatten().count(), expected);
        assert_newest_first(
            &pages::texts(&rows, "created_at").iter().map(|at| at[..19].to_owned()).collect::<Vec<_>>(),
        );
    }
    let by_endpoint = format!("/v1/deliveries?endpoint_id={}", endpoints[1].id);
    let below_endpoint = format!("/v1/endpoints/{}/deliveries", endpoints[1].id);
    for list in [by_endpoint, below_endpoint] {
        let rows = pages::all(&tenant.admin, &list, 10).await;
        assert_same(&pages::texts(&rows, "event_id"), &ids);
        assert!(rows.iter().all(|row| row["endpoint_id"] == endpoints[1].id));
    }
    let of_event = pages::all(&tenant.admin, &format!("/v1/deliveries?event_id={}", ids[3]), 1).await;
    let expected: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id.clone()).collect();
    assert_same(&pages::texts(&of_event, "endpoint_id"), &expected);
    let odd = pages::all(&tenant.admin, "/v1/deliveries?event_type=odd.one", 20).await;
    assert_eq!(odd.len(), 3 * (EVENTS / 2));
    assert!(odd.iter().all(|row| row["event_type"] == "odd.one"));
}

pub(crate) async fn lists_are_filtered(target: &Target) {
    let tenant = target.tenant("filters").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::ok(), Answer::status(400), Answer::ok()]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let mut events: Vec<Value> = Vec::new();
    for status in ["delivered", "failed", "delivered"] {
        // In a millisecond of its own, so that bounds of time can come between.
        let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
        tenant.delivery(&id, &endpoint.id, status).await;
        events.push(tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json());
    }
    let ids: Vec<_> = events.iter().map(|event| text(event, "id").to_owned()).collect();
    let middle = pages::escape(text(&events[1], "accepted_at"));
    // From `since` on, and before `until`; newest first.
    let cases = [
        (format!("since={middle}"), vec![&ids[2], &ids[1]]),
        (format!("until={middle}"), vec![&ids[0]]),
        (format!("since={middle}&until={middle}"), vec![]),
        ("since=2020-01-01T00%3A00%3A00Z&until=2020-01-02T00%3A00%3A00Z".to_owned(), vec![]),
        ("since=2020-01-01T00%3A00%3A00%2B01%3A00".to_owned(), vec![&ids[2], &ids[1], &ids[0]]),
    ];
    for (filter, expected) in &cases {
        for (list, id) in [("events", "id"), ("deliveries", "event_id")] {
            let rows = pages::all(&tenant.admin, &format!("/v1/{list}?{filter}"), 1).await;
            assert_eq!(pages::texts(&rows, id).iter().collect::<Vec<_>>(), *expected, "{list}?{filter}");
        }
    }
    let statuses = [
        ("delivered", vec![&ids[2], &ids[0]]),
        ("failed", vec![&ids[1]]),
        ("pending", vec![]),
        ("retrying", vec![]),
        ("parked", vec![]),
        ("cancelled", vec![]),
    ];
    for (status, expected) in statuses {
        for list in [
            format!("/v1/deliveries?status={status}"),
            format!("/v1/deliveries?status={status}&endpoint_id={}", endpoint.id),
        ] {
            let rows = pages::all(&tenant.admin, &list, 1).await;
            assert_eq!(pages::texts(&rows, "event_id").iter().collect::<Vec<_>>(), expected, "{list}");
        }
    }
    let both = format!("/v1/deliveries?event_id={}&status=failed", ids[1]);
    assert_eq!(pages::all(&tenant.admin, &both, 1).await.len(), 1);
    let neither = format!("/v1/deliveries?event_id={}&status=failed", ids[0]);
    assert_eq!(pages::all(&tenant.admin, &neither, 1).await.len(), 0);
}

/// An hour is counted a quarter of an hour after its end, so a tenant that is new has none.
pub(crate) async fn hours_are_not_listed_before_they_are_over(target: &Target) {
    let tenant = target.tenant("hours").await;
    tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let empty = json!({"items": [], "next_cursor": null});
    let viewer = tenant.caller("viewer").await;
    for caller in [&tenant.admin, &viewer, &target.platform().acting_for(&tenant.id)] {
        let query = "/v1/reconciliation?since=2026-01-31T12%3A00%3A00Z&until=9999-12-31T00%3A00%3A00Z&state=balanced&limit=5";
        for path in ["/v1/reconciliation", query] {
            assert_eq!(caller.get(path).await.expect(200).json(), empty, "{path}");
        }
    }
}
