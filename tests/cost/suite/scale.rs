//! Fan-out of one event to up to 10,000 endpoints: linear in requests and units, in as many parts as it takes, and
//! every receiver called once. Prints what each size took.

use std::time::Instant;

use postrider_application::fan_out::CHUNK;
use postrider_application::ports::QueueName;
use postrider_cost::World;
use postrider_cost::world::WEBHOOK;
use postrider_domain::event::Audience;
use postrider_testkit::metering::sizes::WRITE_UNIT_BYTES;

#[tokio::test]
async fn fan_out_is_linear_up_to_ten_thousand_endpoints() {
    println!(
        "{:>9} {:>6} {:>8} {:>11} {:>6} {:>11} {:>10} {:>10} {:>9}",
        "endpoints",
        "parts",
        "writes",
        "write units",
        "reads",
        "read units",
        "SQS sends",
        "fan-out",
        "delivery"
    );
    for endpoints in [1_usize, 10, 100, 1_000, 10_000] {
        let world = World::new();
        world.add_endpoints(endpoints).await;
        assert!(world.publish(&[None]).await[0].is_ok());
        world.meter.reset();
        let started = Instant::now();
        let parts = world.work_off(QueueName::Events).await;
        let fanned_out = started.elapsed();
        let (table, events, webhook) =
            (world.meter.table(), world.meter.queue(QueueName::Events), world.meter.queue(WEBHOOK));
        let started = Instant::now();
        world.work_off(WEBHOOK).await;
        println!(
            "{endpoints:>9} {parts:>6} {:>8} {:>11} {:>6} {:>11} {:>10} {:>7} ms {:>6} ms",
            table.writes(),
            table.write_units,
            table.reads(),
            table.read_units(),
            webhook.sends,
            fanned_out.as_millis(),
            started.elapsed().as_millis()
        );

        let count = endpoints as u64;
        assert_eq!(parts, endpoints.div_ceil(CHUNK), "{endpoints} endpoints");
        assert_eq!(events.messages_sent, parts as u64 - 1, "continuations for {endpoints} endpoints");
        // Each part has a manifest, of 30 bytes for each endpoint.
        let manifests = parts as u64;
        let manifest_units = table.write_units - count;
        assert_eq!(table.puts, count + manifests, "{endpoints} endpoints");
        let bound = manifests + count * 30 / WRITE_UNIT_BYTES as u64;
        assert!((manifests..=bound).contains(&manifest_units), "{manifest_units} for {endpoints}");
        assert_eq!(table.transactions, 0);
        assert_eq!(webhook.messages_sent, count);
        // Each part but the last is a multiple of ten.
        assert_eq!(webhook.sends, count.div_ceil(10), "{endpoints} endpoints");
        // The version of the tenant for each part; the subscriptions once: one query for each pattern that could
        // match, and one for each further megabyte.
        assert_eq!(table.gets, parts as u64);
        assert!(table.queries <= 4 + count / 4_000, "{} queries for {endpoints}", table.queries);
        // A subscription has about 120 bytes: 30 to a read unit.
        let read_units = table.read_units();
        assert!(read_units <= parts as f64 + 10.0 + count as f64 / 30.0, "{read_units} for {endpoints}");

        let calls = world.receivers.calls();
        assert_eq!(calls.len(), endpoints);
        assert!(calls.values().all(|calls| *calls == 1));
    }
}

/// The first event of a batch has many endpoints, the others one each: theirs are among the first messages.
#[tokio::test]
async fn a_large_event_does_not_hold_back_the_small_ones_of_its_batch() {
    let world = World::new();
    let others = world.add_endpoints(600).await;
    world.publish_to(Audience::Subscribers).await.unwrap();
    let mut small = Vec::new();
    for endpoint in &others[..9] {
        let accepted = world.publish_to(Audience::Endpoints(vec![*endpoint])).await.unwrap();
        small.push(accepted.event_id.to_string());
    }
    assert_eq!(world.run_batch(QueueName::Events).await, (10, 0));
    let first = world.queues.receive(WEBHOOK);
    let first: Vec<_> = first.into_iter().chain(world.queues.receive(WEBHOOK)).collect();
    let is_first = |id: &&String| first.iter().any(|record| record.body.text().contains(id.as_str()));
    assert_eq!(small.iter().filter(is_first).count(), 9, "among the first twenty of 259");
}
