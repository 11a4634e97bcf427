//! A tenant that floods a slow receiver does not delay another.

use std::collections::HashMap;
use std::time::Duration;

use postrider_domain::{RateLimit, TenantId, Timestamp};

use crate::fleet::Fleet;

/// As many as `make test` can carry; the benchmark has more.
const FLOOD: usize = 20_000;

const QUIET: usize = 300;

/// How long the events of a quiet tenant take from being accepted to the attempt, in order.
async fn latencies(flood: usize) -> Vec<Duration> {
    let fleet = Fleet::start(4, 16);
    let tenant = |id: &str| -> TenantId { id.parse().unwrap() };
    let (quiet, noisy) = (tenant("quiet"), tenant("noisy"));
    let unlimited = RateLimit { per_second: 100_000.0, burst: 100_000 };
    fleet.endpoint(&quiet, RateLimit::default(), Duration::from_millis(50)).await;
    fleet.endpoint(&noisy, unlimited, Duration::from_secs(2)).await;
    fleet.publish(&noisy, flood).await;
    let mut accepted: HashMap<String, Timestamp> = HashMap::new();
    for _ in 0..QUIET {
        let at = fleet.clock.now();
        accepted.extend(fleet.publish(&quiet, 1).await.into_iter().map(|id| (id, at)));
        fleet.clock.sleep(Duration::from_millis(97)).await;
    }
    fleet.clock.sleep(Duration::from_secs(10)).await;
    let arrivals = fleet.arrivals(QUIET).await;
    let own = arrivals.iter().filter(|arrival| arrival.tenant == quiet);
    let mut latencies: Vec<_> = own.map(|arrival| arrival.at.since(accepted[&arrival.event])).collect();
    assert_eq!(latencies.len(), QUIET);
    latencies.sort_unstable();
    println!("beside {flood}: {} attempts of the flood so far", arrivals.len() - QUIET);
    fleet.abandon();
    latencies
}

#[tokio::test(start_paused = true)]
async fn a_flood_to_a_slow_receiver_does_not_delay_another_tenant() {
    let alone = latencies(0).await;
    let beside = latencies(FLOOD).await;
    let p95 = |latencies: &[Duration]| latencies[latencies.len() * 95 / 100];
    let ratio = p95(&beside).as_secs_f64() / p95(&alone).as_secs_f64();
    println!("p95 alone {:?}, beside the flood {:?}: {ratio:.2} times", p95(&alone), p95(&beside));
    assert!(ratio <= 2.0, "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_receiver_is_attempted_once_and_seldom_sent_again() {
    let fleet = Fleet::start(4, 16);
    let noisy: TenantId = "noisy".parse().unwrap();
    let unlimited = RateLimit { per_second: 100_000.0, burst: 100_000 };
    fleet.endpoint(&noisy, unlimited, Duration::from_secs(2)).await;
    fleet.publish(&noisy, 5_000).await;
    let arrivals = fleet.arrivals(5_000).await;
    let events: std::collections::HashSet<_> = arrivals.iter().map(|arrival| &arrival.event).collect();
    assert_eq!((events.len(), arrivals.len()), (5_000, 5_000));
    let returned = fleet.queue.returned.load(std::sync::atomic::Ordering::SeqCst);
    println!("{:.2} waits for each delivery", returned as f64 / 5_000.0);
    assert!(returned <= 3 * 5_000);
    // Four instances with 128 places each, two seconds long.
    let took = arrivals.last().unwrap().at.since(arrivals[0].at);
    assert!(took <= Duration::from_secs(5_000 * 2 / 512 * 2), "{took:?}");
    fleet.stop().await;
}
