//! What a person can do with parked deliveries.

use std::time::Duration;

use postrider_application::endpoints::{EndpointError, ParkedChoice};
use postrider_application::ports::QueueName;
use postrider_application::stores::drains::DrainState;
use postrider_domain::{DeliveryStatus, EndpointId, EndpointStatus};

use crate::circuits::opened;
use crate::world::{WEBHOOK, World};

/// An endpoint that is paused, with so many parked deliveries.
async fn paused(parked: usize) -> (World, EndpointId) {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    world.publish_many(0..parked).await;
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, parked);
    (world, endpoint)
}

#[tokio::test]
async fn parked_deliveries_can_be_skipped() {
    let (world, endpoint) = paused(230).await;
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Skip, "key_x").await.unwrap();
    world.publish_many(500..503).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e500", "e501", "e502"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Cancelled).await, 230);
    let parked = world.lookup.parked(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!((parked.count, parked.drain.released), (0, 230));
    assert!(parked.drain.state == DrainState::Idle && parked.drain.finished_at.is_some());
}

#[tokio::test]
async fn parked_deliveries_can_be_kept_for_later() {
    let (world, endpoint) = paused(7).await;
    let drain = world.status.decide_parked(&world.tenant, endpoint, ParkedChoice::Drain, "key_x").await;
    assert!(matches!(drain, Err(EndpointError::NotActive(_, EndpointStatus::Paused))));
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Keep, "key_x").await.unwrap();
    world.publish_many(500..501).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e500"]);
    // A circuit that opens and closes lets go what was parked because of it.
    world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.publish_many(501..503).await;
    world.settle().await;
    world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e500", "e501", "e502"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 7);
    world.status.decide_parked(&world.tenant, endpoint, ParkedChoice::Drain, "key_x").await.unwrap();
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 10);
}

#[tokio::test]
async fn a_fast_endpoint_gets_as_many_at_once_as_it_takes_in_a_second() {
    let (world, endpoint) = paused(250).await;
    world.limit(endpoint, 200.0).await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    let released = async || {
        world.deal(QueueName::Events, &world.queue.take(QueueName::Events), 1).await;
        world.queue.take(WEBHOOK).len()
    };
    assert_eq!((released().await, released().await), (200, 50));
}

#[tokio::test]
async fn a_pause_in_the_middle_of_a_drain_stops_it_and_loses_nothing() {
    let (world, endpoint) = paused(250).await;
    world.limit(endpoint, 100.0).await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    let first = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &first, 1).await;
    let parked = world.lookup.parked(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!((parked.drain.state, parked.drain.released), (DrainState::Draining, 100));
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages[..40], 1).await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    world.clock.forward(Duration::from_secs(11));
    world.deal(WEBHOOK, &messages[40..], 1).await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 40);
    let parked = world.lookup.parked(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!((parked.count, parked.drain.state), (210, DrainState::Idle));
    assert_eq!(parked.drain.finished_at, None);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 250);
    assert_eq!(world.channel.calls().len(), 250);
}

#[tokio::test]
async fn a_later_drain_takes_over_from_an_earlier_one() {
    let (world, endpoint) = paused(250).await;
    for _ in 0..3 {
        world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 250, "each once");
    let parked = world.lookup.parked(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!((parked.count, parked.drain.number), (0, 3));
}

#[tokio::test]
async fn resuming_does_not_pass_by_the_circuit() {
    let (world, endpoint) = opened(5).await;
    world.queue.take(QueueName::Events);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    let released = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &released, 1).await;
    assert_eq!(world.queue.take(QueueName::Events).len(), 0);
    assert_eq!(world.channel.calls().len(), 10);
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 5);
}
