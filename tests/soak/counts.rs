//! Whether everything that was accepted is accounted for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use postrider_tests::tenant::text;
use postrider_tests::{Endpoint, Receiver, Tenant, pages, wait};

use crate::PATHS;

/// How long everything may take to come to its end.
const USUAL: Duration = Duration::from_secs(600);

/// How often it is said what is still open.
const PROGRESS: Duration = Duration::from_secs(20);

/// Waits until nothing is open, and counts.
pub(crate) async fn check(
    tenant: &Tenant,
    receiver: &Receiver,
    endpoints: &[Endpoint],
    published: &[Vec<String>],
) {
    let mut said = Instant::now();
    wait::within(USUAL, "nothing to be open", async || {
        let mut open = BTreeMap::new();
        for status in ["pending", "retrying", "parked"] {
            let path = format!("/v1/deliveries?status={status}");
            open.insert(status, pages::all(&tenant.admin, &path, 100).await.len());
        }
        if said.elapsed() >= PROGRESS {
            println!("still open: {open:?}");
            said = Instant::now();
        }
        if open.values().all(|count| *count == 0) { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await;
    let events: usize = published.iter().map(Vec::len).sum();
    let mut failed = 0;
    for (path, endpoint) in PATHS.iter().zip(endpoints) {
        let rows = pages::all(&tenant.admin, &format!("/v1/endpoints/{}/deliveries", endpoint.id), 100).await;
        let mut counts = BTreeMap::<&str, usize>::new();
        rows.iter().for_each(|row| *counts.entry(text(row, "status")).or_default() += 1);
        let requests = receiver.count(path);
        println!("{path}: {events} events accepted, deliveries {counts:?}, {requests} requests");
        let ids: HashSet<_> = rows.iter().map(|row| text(row, "event_id")).collect();
        assert_eq!(ids.len(), rows.len(), "an event has two deliveries");
        assert_eq!(rows.len(), events, "{path}");
        assert_eq!(
            counts.values().sum::<usize>(),
            counts.get("delivered").unwrap_or(&0) + counts.get("failed").unwrap_or(&0)
        );
        assert!(published.iter().flatten().all(|id| ids.contains(&**id)), "{path}");
        failed += counts.get("failed").unwrap_or(&0);
    }
    let letters = pages::all(&tenant.admin, "/v1/dead-letters?state=pending", 100).await.len();
    println!("{letters} dead letters for {failed} deliveries that failed");
    assert_eq!(letters, failed);
    check_order(receiver, published);
}

/// The ordered endpoint got the events of each publisher in their order.
fn check_order(receiver: &Receiver, published: &[Vec<String>]) {
    let mut first = HashMap::new();
    for (place, request) in receiver.requests("/ordered").iter().enumerate() {
        let id = request.headers["webhook-id"].to_str().unwrap().to_owned();
        first.entry(id).or_insert(place);
    }
    for ids in published {
        let places: Vec<usize> = ids.iter().map(|id| first[id]).collect();
        assert!(places.is_sorted(), "the order of a publisher's events was not kept");
    }
}
