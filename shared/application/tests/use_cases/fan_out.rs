//! One delivery for each endpoint that asked, at any number of endpoints and repetitions.

use std::sync::atomic::Ordering;

use postrider_application::fan_out::CHUNK;
use postrider_application::ports::QueueName;
use postrider_application::stores::PageRequest;
use postrider_application::stores::delivery_lists::DeliveryFilter;

use crate::world::{WEBHOOK, World};

#[tokio::test]
async fn a_message_that_comes_twice_makes_each_delivery_once() {
    let world = World::new();
    for _ in 0..3 {
        world.endpoint("order.*").await;
    }
    world.endpoint("invoice.*").await;
    world.publish(Some("e1"), "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    world.deal(QueueName::Events, &messages, 2).await;
    world.settle().await;
    world.deal(QueueName::Events, &messages, 3).await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 3);
}

#[tokio::test]
async fn a_crash_between_the_deliveries_and_their_messages_is_made_good() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 1);
    assert_eq!(world.delivery(&accepted, endpoint).await.attempt_count, 0);
    world.queue.is_down.store(false, Ordering::SeqCst);
    assert_eq!(world.deal(QueueName::Events, &messages, 2).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
}

#[tokio::test]
async fn more_endpoints_than_fit_into_one_message_go_on_in_the_next() {
    let world = World::new();
    for _ in 0..CHUNK * 2 + 7 {
        world.endpoint("order.paid").await;
    }
    world.publish(None, "{}").await.unwrap();
    let first = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &first, 1).await;
    assert_eq!(world.queue.take(WEBHOOK).len(), CHUNK);
    // The first part came twice: its deliveries exist, their messages are sent again, to be checked.
    world.deal(QueueName::Events, &first, 2).await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), CHUNK * 2 + 7);
}

#[tokio::test]
async fn an_endpoint_with_several_matching_subscriptions_gets_an_event_once() {
    let world = World::new();
    let endpoint = world.endpoint("order.paid").await;
    let subscriptions = ["order.paid", "order.*", "*"]
        .map(|pattern| postrider_domain::Subscription { pattern: pattern.parse().unwrap(), filter: None });
    let changes = postrider_application::endpoints::Changes {
        subscriptions: Some(subscriptions.to_vec()),
        ..Default::default()
    };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.publish(None, "{}").await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
}

#[tokio::test]
async fn a_changed_subscription_counts_for_the_next_event() {
    let world = World::new();
    let endpoint = world.endpoint("order.paid").await;
    world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let changes =
        postrider_application::endpoints::Changes { subscriptions: Some(vec![]), ..Default::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.publish(None, "{}").await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
    let page = PageRequest { limit: 10, after: None };
    let list =
        world.deliveries.list(&world.tenant, &[endpoint], &DeliveryFilter::default(), page).await.unwrap();
    assert_eq!(list.items.len(), 1);
}
