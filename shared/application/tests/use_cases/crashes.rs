//! A worker may die between any two steps, and a message may come at any time again.

use std::sync::atomic::Ordering;

use postrider_application::ports::QueueName;
use postrider_application::redeliver::Settlement;
use postrider_application::stores::PageRequest;
use postrider_application::stores::dead_letters::DeadLetterFilter;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeliveryStatus, EndpointStatus, Outcome};

use crate::world::{WEBHOOK, WEBHOOK_DEAD, World};

#[tokio::test]
async fn a_delivered_message_that_comes_again_does_not_reach_the_receiver() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages, 1).await;
    world.deal(WEBHOOK, &messages, 2).await;
    assert_eq!(world.channel.calls().len(), 1);
}

#[tokio::test]
async fn a_crash_between_the_record_and_the_next_message_is_made_good() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Retry]);
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let messages = world.queue.take(WEBHOOK);
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 1);
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Retrying);
    world.queue.is_down.store(false, Ordering::SeqCst);
    assert_eq!(world.deal(WEBHOOK, &messages, 2).await, 0);
    assert_eq!(world.channel.calls().len(), 1, "the attempt on record is not made again");
    world.settle().await;
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Delivered);
    assert_eq!(world.channel.calls().len(), 2);
}

#[tokio::test]
async fn a_crash_between_giving_up_and_the_dead_letter_is_made_good() {
    for (outcome, reason) in
        [(Outcome::Rejected, FailureReason::Rejected), (Outcome::Gone, FailureReason::Gone)]
    {
        let world = World::new();
        let endpoint = world.endpoint("*").await;
        world.channel.answer(&[outcome]);
        world.publish(None, "{}").await.unwrap();
        let messages = world.queue.take(QueueName::Events);
        world.deal(QueueName::Events, &messages, 1).await;
        let messages = world.queue.take(WEBHOOK);
        world.queue.is_down.store(true, Ordering::SeqCst);
        assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 1);
        world.queue.is_down.store(false, Ordering::SeqCst);
        world.deal(WEBHOOK, &messages, 2).await;
        world.deal(WEBHOOK, &messages, 3).await;
        world.settle().await;
        let page = PageRequest { limit: 10, after: None };
        let letters =
            world.dead_letters.list(&world.tenant, &DeadLetterFilter::default(), page).await.unwrap();
        assert_eq!(letters.items.len(), 1);
        assert_eq!(letters.items[0].reason, reason);
        assert_eq!(world.channel.calls().len(), 1);
        let status = world.endpoints.get(&world.tenant, endpoint).await.unwrap().unwrap().endpoint.status;
        let expected =
            if outcome == Outcome::Gone { EndpointStatus::Disabled } else { EndpointStatus::Active };
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn a_poisoned_message_becomes_a_dead_letter_and_can_be_redriven() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let poisoned = world.queue.take(WEBHOOK);
    assert_eq!(world.deal(WEBHOOK_DEAD, &poisoned, 1).await, 0);
    assert_eq!(world.deal(WEBHOOK_DEAD, &poisoned, 2).await, 0);
    let delivery = world.delivery(&accepted, endpoint).await;
    assert_eq!(delivery.status, DeliveryStatus::Failed);
    let page = PageRequest { limit: 10, after: None };
    let letters =
        world.dead_letters.list(&world.tenant, &DeadLetterFilter::default(), page).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].reason), (1, FailureReason::Poisoned));
    world.redeliver.retry(&world.tenant, delivery.id, "key_x").await.unwrap();
    world.settle().await;
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn an_event_that_could_not_be_matched_becomes_a_dead_letter_and_can_be_redriven() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(world.deal(QueueName::EventsDead, &messages, 1).await, 0);
    assert_eq!(world.deal(QueueName::EventsDead, &messages, 2).await, 0);
    let page = PageRequest { limit: 10, after: None };
    let letters =
        world.dead_letters.list(&world.tenant, &DeadLetterFilter::default(), page).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].delivery), (1, None));
    world.redeliver.settle(&world.tenant, letters[0].id, Settlement::Redrive, "key_x", None).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
}

#[tokio::test]
async fn one_unreadable_message_does_not_fail_the_others_of_its_batch() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish(None, "{}").await.unwrap();
    let mut messages = world.queue.take(QueueName::Events);
    messages.insert(
        0,
        postrider_application::ports::OutgoingMessage {
            body: "not a message".into(),
            delay: std::time::Duration::ZERO,
            group: "acme".into(),
        },
    );
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 1);
    let mut messages = world.queue.take(WEBHOOK);
    messages[0].body = format!("{}x", messages[0].body.text()).into();
    assert!(messages[0].body.channel().is_err());
    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 1);
    assert_eq!(world.deal(WEBHOOK_DEAD, &messages, 1).await, 0, "what cannot be read is recorded");
}

#[tokio::test]
async fn two_workers_with_the_same_message_record_one_attempt() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Retry, Outcome::Retry]);
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let messages = world.queue.take(WEBHOOK);
    // SQS may hand the same message to two workers, each of which sees it for the first time.
    world.deal(WEBHOOK, &[messages[0].clone(), messages[0].clone()], 1).await;
    assert_eq!(world.delivery(&accepted, endpoint).await.attempt_count, 1);
    assert_eq!(world.queue.take(WEBHOOK).len(), 1, "one next attempt");
}

/// Two messages stood for one attempt: the first one, and the one that fan-out sent again after a crash. After a
/// restart both were dealt with at once, and the receiver was called twice.
#[tokio::test]
async fn two_workers_that_look_make_one_attempt() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    let events = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &events, 1).await;
    world.deal(QueueName::Events, &events, 2).await;
    let messages = world.queue.take(WEBHOOK);
    assert_eq!(messages.len(), 2);
    assert_eq!(world.deal(WEBHOOK, &messages, 2).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn a_claim_whose_worker_died_is_taken_over() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    let events = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &events, 1).await;
    let mut delivery = world.delivery(&accepted, endpoint).await;
    delivery.claimed_at = Some(postrider_application::ports::Clock::now(&*world.clock));
    world.deliveries.save(&delivery).await.unwrap();
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages, 2).await;
    assert!(world.channel.calls().is_empty(), "the worker may be alive");
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
}

/// Fifty publishers of one event at a time made fifty messages, and the receiver was called for most of them.
#[tokio::test]
async fn an_event_that_many_publish_at_once_reaches_its_receiver_once() {
    let world = World::new();
    world.endpoint("*").await;
    for _ in 0..50 {
        world.publish(Some("e1"), "{}").await.unwrap();
    }
    let events = world.queue.take(QueueName::Events);
    assert_eq!(events.len(), 50);
    world.deal(QueueName::Events, &events, 1).await;
    let messages = world.queue.take(WEBHOOK);
    let at_once: Vec<_> = messages.iter().filter(|message| message.delay.is_zero()).cloned().collect();
    assert_eq!((messages.len(), at_once.len()), (50, 1));
    world.queue_again(messages).await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
}
