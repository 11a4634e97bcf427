//! Accepting events once, whatever happens in between.

use std::sync::atomic::Ordering;

use postrider_application::ingest::IngestError;
use postrider_application::ports::QueueName;

use crate::world::{WEBHOOK, World};

#[tokio::test]
async fn the_same_event_is_accepted_once_and_another_under_its_id_is_refused() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let first = world.publish(Some("e1"), "{}").await.unwrap();
    let second = world.publish(Some("e1"), "{}").await.unwrap();
    assert_eq!((first.duplicate, second.duplicate), (false, true));
    assert_eq!(first.accepted_at, second.accepted_at);
    let other = world.publish(Some("e1"), "[]").await.unwrap_err();
    assert!(matches!(other, IngestError::Conflict(_)), "{other}");
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
    assert_eq!(world.delivery(&first, endpoint).await.attempt_count, 1);
}

#[tokio::test]
async fn an_event_whose_message_was_not_sent_is_delivered_once_it_is_published_again() {
    let world = World::new();
    world.endpoint("*").await;
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert!(matches!(world.publish(Some("e1"), "{}").await, Err(IngestError::Queue(_))));
    world.queue.is_down.store(false, Ordering::SeqCst);
    assert!(world.publish(Some("e1"), "{}").await.unwrap().duplicate);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
}

#[tokio::test]
async fn an_event_that_is_published_again_does_not_reach_endpoints_that_came_later() {
    let world = World::new();
    world.endpoint("*").await;
    let accepted = world.publish(Some("e1"), "{}").await.unwrap();
    world.settle().await;
    world.clock.forward(std::time::Duration::from_secs(6));
    let late = world.endpoint("*").await;
    world.publish(Some("e1"), "{}").await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
    let id = postrider_domain::DeliveryId::derive(accepted.accepted_at, &accepted.event_id, late);
    assert!(world.deliveries.get(&world.tenant, id).await.unwrap().is_none());
}

/// The clocks of two machines differ.
#[tokio::test]
async fn an_event_that_is_published_again_reaches_endpoints_that_were_there_by_another_clock() {
    let world = World::new();
    world.queue.is_down.store(true, Ordering::SeqCst);
    world.publish(Some("e1"), "{}").await.unwrap_err();
    world.queue.is_down.store(false, Ordering::SeqCst);
    world.clock.forward(std::time::Duration::from_secs(3));
    world.endpoint("*").await;
    world.publish(Some("e1"), "{}").await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
}

#[tokio::test]
async fn a_conflicting_event_sends_no_message() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish(Some("e1"), "{}").await.unwrap();
    world.queue.take(QueueName::Events);
    world.publish(Some("e1"), "[]").await.unwrap_err();
    assert!(world.queue.take(QueueName::Events).is_empty());
    assert!(world.queue.take(WEBHOOK).is_empty());
}

#[tokio::test]
async fn large_data_is_kept_outside_of_the_messages() {
    let world = World::new();
    world.endpoint("*").await;
    let data = format!("\"{}\"", "x".repeat(900 * 1024));
    world.publish(Some("large"), &data).await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    assert!(messages[0].body.text().len() < 1024);
    world.deal(QueueName::Events, &messages, 1).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["large"]);
    let of_size = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    world.publish(Some("largest"), &of_size(5_000_000)).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["large", "largest"]);
    let too_large = world.publish(None, &of_size(5_000_001)).await.unwrap_err();
    assert_eq!(too_large.to_string(), "data has 5000001 bytes; at most 5000000 are accepted");
}
