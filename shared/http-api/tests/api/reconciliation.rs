//! `/v1/reconciliation`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use postrider_application::ports::Clock as _;
use postrider_application::reconcile::Reconcile;
use postrider_application::stores::{Deliveries, Events, Tenants};
use postrider_domain::Hour;
use serde_json::{Value, json};

use crate::fixture::Api;

/// A system in which an event arrived in each of three hours, and in the last one another did not.
async fn three_hours() -> Api {
    let api = Api::new().await;
    let table = || api.table.clone();
    let (events, deliveries, tenants) =
        (Events::new(table()), Deliveries::new(table()), Tenants::new(table()));
    let reconcile = Reconcile::new(events, deliveries, tenants, api.queue.clone(), api.clock.clone());
    let minute = Duration::from_secs(60);
    reconcile.run(minute).await.unwrap();
    let forward_to = |at: postrider_domain::Timestamp| api.clock.advance(at.since(api.clock.now()));
    api.endpoint(json!({})).await;
    let first = Hour::of(api.clock.now()).next();
    for hour in [first, first.next(), first.next().next()] {
        forward_to(hour.begins_at());
        api.publish(json!({"type": "a.b", "data": 1})).await;
        api.run().await;
    }
    api.publish(json!({"event_id": "lost", "type": "a.b", "data": 1})).await;
    api.queue.take(postrider_application::ports::QueueName::Events);
    forward_to(first.next().next().settled_at());
    let run = reconcile.run(minute).await.unwrap();
    assert_eq!((run.opened, run.looked_at, run.repaired), (3, 3, 1));
    api
}

async fn hours(api: &Api, query: &str) -> Vec<String> {
    let list = api.get(&api.acme.viewer, &format!("/v1/reconciliation{query}")).await.expect(200);
    let hour = |item: &Value| item["hour"].as_str().unwrap()[11..13].to_owned();
    list["items"].as_array().unwrap().iter().map(hour).collect()
}

#[tokio::test]
async fn hours_are_listed_with_their_counts_the_latest_first() {
    let api = three_hours().await;
    let list = api.get(&api.acme.viewer, "/v1/reconciliation").await.expect(200);
    let [latest, _, first] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    let checked_at = first["checked_at"].as_str().unwrap();
    let expected = json!({"hour": "2026-01-31T13:00:00.000Z", "state": "balanced", "accepted": 1, "scheduled": 0,
        "events_missing": 0, "matched": 1, "delivered": 1, "failed": 0, "parked": 0, "cancelled": 0,
        "in_progress": 0, "gap": 0, "stuck": 0, "repaired": 0, "checked_at": checked_at, "next_check_at": null});
    assert_eq!(*first, expected);
    let figures =
        ["accepted", "events_missing", "matched", "repaired"].map(|name| latest[name].as_u64().unwrap());
    assert_eq!((latest["state"].as_str(), figures), (Some("repairing"), [2, 1, 1, 1]));
    assert!(latest["next_check_at"].is_string());
    let others = api.get(&api.other.viewer, "/v1/reconciliation").await.expect(200);
    assert_eq!(others, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn hours_are_filtered_and_paged() {
    let api = three_hours().await;
    assert_eq!(hours(&api, "").await, ["15", "14", "13"]);
    assert_eq!(hours(&api, "?state=balanced").await, ["14", "13"]);
    assert_eq!(hours(&api, "?state=gap").await, [""; 0]);
    assert_eq!(hours(&api, "?since=2026-01-31T14:00:00Z").await, ["15", "14"]);
    assert_eq!(hours(&api, "?since=2026-01-31T14:00:00.001Z").await, ["15"], "that begin then or later");
    assert_eq!(hours(&api, "?until=2026-01-31T14:00:00Z").await, ["13"]);
    assert_eq!(hours(&api, "?until=2026-01-31T14:30:00Z").await, ["14", "13"]);
    assert_eq!(hours(&api, "?since=2026-01-31T15:00:00Z&until=2026-01-31T14:00:00Z").await, [""; 0]);
    assert_eq!(hours(&api, "?until=1970-01-01T00:00:00Z").await, [""; 0]);
    for (query, expected) in [("", vec!["15", "14", "13"]), ("&state=balanced", vec!["14", "13"])] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/reconciliation?limit=1{query}{cursor}");
            let page = api.get(&api.acme.viewer, &path).await.expect(200);
            let rows = page["items"].as_array().unwrap();
            assert!(rows.len() <= 1);
            found.extend(rows.iter().map(|row| row["hour"].as_str().unwrap()[11..13].to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected, "{query}");
    }
    // From anywhere, also beyond the bounds.
    for place in ["1970-01-01T00", "2026-01-31T14", "9999-12-31T23"] {
        let cursor = BASE64.encode(place);
        hours(&api, &format!("?cursor={cursor}")).await;
        hours(&api, &format!("?cursor={cursor}&since=2026-01-31T14:00:00Z&until=2026-01-31T15:00:00Z")).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let api = Api::new().await;
    let forged = ["", "a", "evt_~", "2026-01-31", "2026-01-31T14:00:00Z", "2026-01-31T25"];
    let forged = forged.map(|text| (format!("cursor={}", BASE64.encode(text)), "cursor"));
    let others = [
        ("state=lost", "state"),
        ("since=yesterday", "since"),
        ("until=", "until"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("hour=2026-01-31T14", "hour"),
        ("state=gap&state=gap", "state"),
    ];
    let others = others.map(|(query, name)| (query.to_owned(), name));
    for (query, name) in forged.into_iter().chain(others) {
        let answer = api.get(&api.acme.viewer, &format!("/v1/reconciliation?{query}")).await;
        assert_eq!(answer.fields(400), [name], "{query}");
    }
}
