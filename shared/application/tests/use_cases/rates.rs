//! The rate limit of an endpoint, obeyed by four instances that share it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postrider_application::endpoints::Changes;
use postrider_domain::{RateLimit, TenantId};

use crate::fleet::{Arrival, Fleet};

const EVENTS: usize = 5_000;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

/// Seconds from the first attempt.
fn moments(arrivals: &[Arrival]) -> Vec<f64> {
    let mut millis: Vec<u64> = arrivals.iter().map(|arrival| arrival.at.as_millis()).collect();
    millis.sort_unstable();
    millis.iter().map(|at| (at - millis[0]) as f64 / 1000.0).collect()
}

/// The most attempts in any ten seconds.
fn busiest(moments: &[f64]) -> usize {
    let mut most = 0;
    let mut begin = 0;
    for (index, moment) in moments.iter().enumerate() {
        while moment - moments[begin] >= 10.0 {
            begin += 1;
        }
        most = most.max(index - begin + 1);
    }
    most
}

async fn obeys(limit: RateLimit) {
    let fleet = Fleet::start(4, 4);
    fleet.endpoint(&tenant(), limit, Duration::from_millis(50)).await;
    fleet.publish(&tenant(), EVENTS).await;
    let arrivals = fleet.arrivals(EVENTS).await;
    let events: HashSet<&str> = arrivals.iter().map(|arrival| &*arrival.event).collect();
    assert_eq!((events.len(), arrivals.len()), (EVENTS, EVENTS), "each is attempted once");

    let moments = moments(&arrivals);
    let (most, took) = (busiest(&moments), moments[EVENTS - 1]);
    let expected = (EVENTS as f64 - f64::from(limit.burst)) / limit.per_second;
    let count =
        |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::SeqCst) as f64 / EVENTS as f64;
    let (writes, returned) = (count(&fleet.table.bucket_writes), count(&fleet.queue.returned));
    let hops = count(&fleet.queue.hops);
    println!(
        "{limit:?}: at most {most} in 10 s; {:.1} % of the rate used; {writes:.3} writes of the bucket, {returned:.3} \
         waits and {hops:.3} hops of 900 s for each delivery",
        expected / took * 100.0
    );
    assert!(most as f64 <= 11.0 * limit.per_second + f64::from(limit.burst) + 1.0, "{most} in 10 s");
    assert!(took <= expected / 0.9, "{took} s instead of {expected}");
    assert!(returned <= 3.0 && writes <= 3.0);
    // No more than the longest wait needs.
    assert!(hops <= took / 900.0 + 1.0);
    fleet.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_per_second_is_obeyed_and_used() {
    obeys(RateLimit { per_second: 1.0, burst: 5 }).await;
}

#[tokio::test(start_paused = true)]
async fn ten_per_second_are_obeyed_and_used() {
    obeys(RateLimit { per_second: 10.0, burst: 20 }).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_per_second_are_obeyed_and_used() {
    obeys(RateLimit::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_per_second_without_a_burst_are_obeyed_and_used() {
    obeys(RateLimit { per_second: 100.0, burst: 1 }).await;
}

#[tokio::test(start_paused = true)]
async fn little_traffic_writes_no_bucket() {
    let fleet = Fleet::start(4, 4);
    fleet.endpoint(&tenant(), RateLimit::default(), Duration::ZERO).await;
    for minute in 0..60 {
        fleet.publish(&tenant(), 10).await;
        fleet.arrivals(10 * (minute + 1)).await;
        fleet.clock.sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(fleet.table.bucket_writes.load(Ordering::SeqCst), 0);
    fleet.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_reaches_those_who_wait() {
    let fleet = Fleet::start(4, 4);
    let endpoint = fleet.endpoint(&tenant(), RateLimit { per_second: 0.1, burst: 1 }, Duration::ZERO).await;
    fleet.publish(&tenant(), 500).await;
    fleet.clock.sleep(Duration::from_secs(100)).await;
    let raised = Changes { rate_limit: Some(RateLimit::default()), ..Changes::default() };
    fleet.manage.update(&tenant(), endpoint, raised).await.unwrap();
    fleet.publish(&tenant(), 50).await;
    fleet.clock.sleep(Duration::from_secs(60)).await;
    let early = fleet.arrivals(50).await.len();
    assert!((50..500).contains(&early), "what comes later does not wait behind the old list: {early}");
    let moments = moments(&fleet.arrivals(550).await);
    assert!(moments[549] < 1_000.0, "{} s instead of 5,000", moments[549]);
    fleet.stop().await;
}

/// The table refuses the bucket for a while: nothing is lost, and nobody takes that for permission.
#[tokio::test(start_paused = true)]
async fn a_throttled_bucket_delays_and_neither_stops_nor_lifts_the_limit() {
    let fleet = Fleet::start(4, 4);
    let limit = RateLimit { per_second: 10.0, burst: 10 };
    fleet.endpoint(&tenant(), limit, Duration::ZERO).await;
    fleet.table.throttled.store(200, Ordering::SeqCst);
    fleet.publish(&tenant(), 300).await;
    let moments = moments(&fleet.arrivals(300).await);
    assert!(busiest(&moments) <= 121, "{}", busiest(&moments));
    assert_eq!(moments.len(), 300);
    fleet.stop().await;
}
