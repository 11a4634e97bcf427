//! One delivery for each endpoint that asked, at any number of endpoints and repetitions.

use std::sync::atomic::Ordering;

use postrider_application::fan_out::CHUNK;
use postrider_application::ports::{OutgoingMessage, QueueName, QueueRecord};
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

/// The messages of a batch go out together, and SQS may take some of them and not others.
#[tokio::test]
async fn a_message_that_is_refused_fails_only_the_event_it_belongs_to() {
    let world = World::new();
    for _ in 0..2 {
        world.endpoint("*").await;
    }
    for id in ["e1", "e2", "e3"] {
        world.publish(Some(id), "{}").await.unwrap();
    }
    let messages = world.queue.take(QueueName::Events);
    *world.queue.refused.lock().unwrap() = Some(r#""id":"e2""#.to_owned());
    let record = |(message, id): (&OutgoingMessage, &str)| QueueRecord {
        message_id: id.to_owned(),
        body: message.body.clone().written(),
        receive_count: 1,
    };
    let records = messages.iter().zip(["first", "second", "third"]).map(record).collect();
    assert_eq!(world.fan_out.handle(records).await, ["second"]);
    *world.queue.refused.lock().unwrap() = None;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1", "e3", "e1", "e3"]);
    assert_eq!(world.deal(QueueName::Events, &messages[1..2], 2).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls()[4..], ["e2", "e2"]);
}

/// Filters leave some endpoints out, most have two subscriptions of a kind, and several patterns match.
#[tokio::test]
async fn parts_of_a_large_event_meet_without_a_gap_whatever_matches() {
    let world = World::new();
    let subscription = |pattern: &str, filter: Option<&str>| postrider_domain::Subscription {
        pattern: pattern.parse().unwrap(),
        filter: filter.map(|filter| postrider_domain::Filter::parse(filter).unwrap()),
    };
    for number in 0..CHUNK * 2 + 20 {
        let endpoint = world.endpoint("order.paid").await;
        let subscriptions = match number % 10 {
            0..=5 => vec![subscription("order.*", None), subscription("order.*", Some(r#"{"a":1}"#))],
            6 => vec![subscription("order.paid", None)],
            7 => vec![subscription("*", None), subscription("order.paid", None)],
            8 => vec![subscription("*", Some(r#"{"a":1}"#))],
            _ => vec![subscription("order.paid", Some(r#"{"a":2}"#))],
        };
        let changes = postrider_application::endpoints::Changes {
            subscriptions: Some(subscriptions),
            ..Default::default()
        };
        world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    }
    world.publish(None, r#"{"a":1}"#).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), (CHUNK * 2 + 20) / 10 * 9);
}
