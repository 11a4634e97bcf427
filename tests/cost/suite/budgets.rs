//! The budgets of a delivery: each test holds one of them, for 1,000 webhooks of 1 KB in batches of 10.

use postrider_application::ports::QueueName;
use postrider_cost::answers::Answer;
use postrider_cost::figures::delivered_item;
use postrider_cost::world::WEBHOOK;
use postrider_cost::{Figures, Ingested, World};
use postrider_testkit::metering::sizes::WRITE_UNIT_BYTES;

/// Endpoints per event.
const SHAPES: [usize; 3] = [1, 3, 10];

#[tokio::test]
async fn a_delivered_webhook_costs_at_most_2_2_write_units_0_4_queue_requests_and_0_1_reads() {
    for endpoints in SHAPES {
        let figures = Figures::measure(endpoints, 1000).await;
        assert!(figures.deliveries >= 1000 && figures.endpoints == endpoints);
        let write_units = figures.write_units();
        assert!((2.0..=2.2).contains(&write_units), "{endpoints} endpoints: {write_units} write units");
        // One manifest for each batch of events.
        let manifests = figures.fan_out.puts - figures.deliveries as u64;
        assert_eq!(manifests as usize, figures.events / 10, "{endpoints} endpoints");
        let requests = figures.channel_requests();
        assert!((0.3..=0.4).contains(&requests), "{endpoints} endpoints: {requests} requests to queues");
        let (reads, units) = (figures.reads(), figures.read_units());
        assert!(reads <= 0.1 && units <= 0.1, "{endpoints} endpoints: {reads} reads, {units} units");
        assert_eq!(figures.webhook_queue.messages_sent, figures.deliveries as u64);
    }
}

#[tokio::test]
async fn an_event_is_accepted_with_one_write_and_one_message_and_without_a_read() {
    for is_named in [false, true] {
        for (batch, sends) in [(1, 1), (10, 1), (100, 10)] {
            let ingested = Ingested::measure(batch, 1, is_named).await;
            let (table, queue) = (ingested.table, ingested.queue);
            assert_eq!((table.writes(), table.reads()), (batch as u64, 0), "{batch} events");
            assert_eq!((queue.sends, queue.messages_sent), (sends, batch as u64), "{batch} events");
        }
    }
}

/// What an item of the ledger costs follows from its size: a delivery with its attempt has to fit one unit.
#[tokio::test]
async fn a_delivery_with_an_ordinary_answer_fits_one_write_unit() {
    for answer in Answer::SMALL {
        let (bytes, units) = delivered_item(answer).await;
        assert!(bytes <= WRITE_UNIT_BYTES && units == 1, "{answer:?}: {bytes} bytes");
    }
}

#[tokio::test]
async fn a_batch_of_events_for_one_endpoint_shares_one_request_to_the_queue() {
    let world = World::new();
    world.add_endpoints(1).await;
    assert!(world.publish(&[None; 10]).await.iter().all(Result::is_ok));
    world.meter.reset();
    world.run_batch(QueueName::Events).await;
    let bill = world.meter.queue(WEBHOOK);
    assert_eq!((bill.messages_sent, bill.sends), (10, 1));
}
