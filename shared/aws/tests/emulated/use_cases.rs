//! From acceptance to delivery, while requests to everything fail.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use postrider_application::ingest::{Accepted, IngestError};
use postrider_application::ports::QueueName;
use postrider_application::stores::PageRequest;
use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_domain::{DeliveryId, DeliveryStatus};

use crate::faults::{Faulty, IMPATIENT};
use crate::proxy::Plan;
use crate::settings::seed;
use crate::world::{WEBHOOK, World};

/// How many events there are.
const EVENTS: usize = 40;

/// How often what is in the queues is dealt with before the test gives up.
const ROUNDS: usize = 2_000;

/// Publishes as a publisher does that repeats what was not accepted. Every tenth event is too large for a
/// message.
async fn publish_until_accepted(world: &World, number: usize) -> Accepted {
    let (id, size) = (format!("event-{number}"), if number % 10 == 9 { 100_000 } else { 100 });
    let data = format!("\"{}\"", "x".repeat(size));
    for _ in 0..50 {
        match world.publish(&id, &data).await {
            Ok(accepted) => return accepted,
            // What is known of a tenant is asked for like its limit.
            Err(
                IngestError::Table(_)
                | IngestError::Queue(_)
                | IngestError::Blobs(_)
                | IngestError::Rate(_)
                | IngestError::Match(_),
            ) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("{id} was never accepted");
}

#[tokio::test]
async fn every_event_that_was_accepted_is_delivered_to_every_endpoint() {
    let faulty = Faulty::waiting(Plan::seeded(seed()), IMPATIENT).await;
    let world = &World::new(&faulty);
    let endpoints = [world.endpoint().await, world.endpoint().await];
    let accepted: Vec<Accepted> = stream::iter(0..EVENTS)
        .map(|number| publish_until_accepted(world, number))
        .buffer_unordered(8)
        .collect()
        .await;
    let wanted: Vec<DeliveryId> = accepted
        .iter()
        .flat_map(|event| endpoints.map(|id| DeliveryId::derive(event.accepted_at, &event.event_id, id)))
        .collect();
    let mut rounds = 0;
    loop {
        let dealt = futures::join!(world.deal(QueueName::Events), world.deal(WEBHOOK), world.deal(WEBHOOK));
        rounds += 1;
        if dealt == (0, 0, 0) || rounds % 10 == 0 {
            let found = world.deliveries.get_many(&world.tenant, wanted.iter().copied()).await.unwrap();
            let delivered = found.values().filter(|one| one.status == DeliveryStatus::Delivered).count();
            if delivered == wanted.len() {
                break;
            }
            assert!(dealt != (0, 0, 0), "{delivered} of {} delivered, and no message is left", wanted.len());
            assert!(rounds < ROUNDS, "{delivered} of {} delivered", wanted.len());
        }
        // What waits for another worker, or for its next attempt, waits on this clock.
        world.clock.forward(Duration::from_secs(2));
    }
    let calls = world.receiver.calls();
    for event in &accepted {
        assert!(calls[event.event_id.as_str()] >= endpoints.len(), "{}", event.event_id);
        let stored = world.events.get(&world.tenant, &event.event_id).await.unwrap().unwrap();
        assert_eq!(stored.event.accepted_at, event.accepted_at, "what the publisher was told");
    }
    for endpoint in endpoints {
        let page = PageRequest { limit: 2 * EVENTS, after: None };
        let filter = DeliveryFilter::default();
        let listed = world.deliveries.list(&world.tenant, &[endpoint], &filter, page).await.unwrap().items;
        assert_eq!(listed.len(), EVENTS, "one delivery of each event");
    }
    let requests: usize = ["PutItem", "GetItem", "Query", "SendMessageBatch", "PUT", "GET"]
        .iter()
        .map(|operation| faulty.proxy.count(operation))
        .sum();
    let failing = accepted.iter().filter(|event| event.event_id.as_str().ends_with(['0', '4', '8'])).count();
    let (calls, needed) = (calls.values().sum::<usize>(), wanted.len() + failing);
    println!(
        "{EVENTS} events, {} deliveries, {calls} calls ({needed} needed), {requests} requests",
        wanted.len()
    );
}
