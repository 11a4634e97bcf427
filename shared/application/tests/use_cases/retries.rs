//! Attempts, waits and the end of a delivery.

use std::time::Duration;

use postrider_application::ports::QueueName;
use postrider_application::redeliver::Selection;
use postrider_application::stores::PageRequest;
use postrider_application::stores::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterState};
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeliveryStatus, EndpointStatus, Outcome, RetryPolicy};

use crate::world::{WEBHOOK, World};

#[tokio::test]
async fn failures_are_repeated_with_growing_waits_until_success() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Retry, Outcome::Retry]);
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    for expected_wait in [1, 2] {
        let messages = world.queue.take(WEBHOOK);
        world.deal(WEBHOOK, &messages, 1).await;
        let next = world.queue.take(WEBHOOK);
        assert_eq!(next[0].delay, Duration::from_secs(expected_wait));
        // Too early, it waits on.
        world.deal(WEBHOOK, &next, 1).await;
        let again = world.queue.take(WEBHOOK);
        assert_eq!(again[0].delay, Duration::from_secs(expected_wait));
        world.clock.forward(Duration::from_secs(expected_wait));
        assert!(world.queue.take(WEBHOOK).is_empty());
        world.queue_again(again).await;
    }
    world.settle().await;
    let delivery = world.delivery(&accepted, endpoint).await;
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
    let outcomes: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Retry, Outcome::Retry, Outcome::Delivered]);
}

#[tokio::test]
async fn an_exhausted_delivery_is_a_dead_letter_that_can_be_redriven_with_a_new_budget() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Retry; 7]);
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let delivery = world.delivery(&accepted, endpoint).await;
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 5));
    let page = || PageRequest { limit: 10, after: None };
    let pending = DeadLetterFilter { state: Some(DeadLetterState::Pending), endpoint: Some(endpoint) };
    let letters = world.dead_letters.list(&world.tenant, &pending, page()).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].reason), (1, FailureReason::Exhausted));
    assert_eq!(letters[0].error.as_deref(), Some("told to fail"));

    let selection = || Selection::Ids(vec![letters[0].id]);
    let redriven =
        world.redeliver.redrive(&world.tenant, selection(), "key_x", Some("repaired")).await.unwrap();
    assert!(redriven.letters[0].1.is_ok());
    // Asking twice sends once.
    world.redeliver.redrive(&world.tenant, selection(), "key_x", None).await.unwrap();
    assert_eq!(world.queue.take(WEBHOOK).len(), 1);
    world.redeliver.retry(&world.tenant, delivery.id, "key_x").await.unwrap();
    world.settle().await;
    let delivery = world.delivery(&accepted, endpoint).await;
    // Two more failures were told, the third attempt of the new budget succeeded.
    assert_eq!(
        (delivery.status, delivery.attempt_count, delivery.spent()),
        (DeliveryStatus::Delivered, 8, 3)
    );
    let letter = world.dead_letters.get(&world.tenant, letters[0].id).await.unwrap().unwrap();
    assert_eq!(letter.state, DeadLetterState::Redriven);
    assert_eq!((letter.note.as_deref(), letter.handled.unwrap().1.as_str()), (Some("repaired"), "key_x"));
}

#[tokio::test]
async fn a_rejected_delivery_is_not_repeated() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Rejected]);
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let delivery = world.delivery(&accepted, endpoint).await;
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 1));
}

#[tokio::test]
async fn gone_disables_the_endpoint() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Gone]);
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let record = world.endpoints.get(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!(record.endpoint.status, EndpointStatus::Disabled);
    assert!(record.endpoint.status_reason.unwrap().contains("410"));
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Failed);
}

impl World {
    pub(crate) async fn queue_again(&self, messages: Vec<postrider_application::ports::OutgoingMessage>) {
        let results = postrider_application::ports::Queue::send(&*self.queue, WEBHOOK, messages).await;
        assert!(results.iter().all(Result::is_ok));
    }
}

/// The first dead letter's mark was lost; meanwhile its delivery was given up once more.
#[tokio::test]
async fn a_dead_letter_that_another_one_followed_sends_nothing() {
    let world = World::new();
    world.endpoint_with("*", RetryPolicy { max_attempts: 1, ..RetryPolicy::default() }).await;
    world.channel.answer(&[Outcome::Retry; 2]);
    world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let filter = DeadLetterFilter::default;
    let page = || PageRequest { limit: 10, after: None };
    let first = world.dead_letters.list(&world.tenant, &filter(), page()).await.unwrap().items[0].clone();
    world.clock.forward(Duration::from_secs(1));
    world.redeliver.redrive(&world.tenant, Selection::Ids(vec![first.id]), "key_x", None).await.unwrap();
    world.settle().await;
    let unmarked = world.dead_letters.get(&world.tenant, first.id).await.unwrap().unwrap();
    let unmarked = DeadLetter { version: unmarked.version, ..first };
    assert!(world.dead_letters.save(&unmarked).await.unwrap());
    let letters = world.dead_letters.list(&world.tenant, &filter(), page()).await.unwrap().items;
    assert!(letters.len() == 2 && letters.iter().all(|letter| letter.state == DeadLetterState::Pending));
    let all = Selection::Ids(letters.iter().map(|letter| letter.id).collect());
    world.redeliver.redrive(&world.tenant, all, "key_x", None).await.unwrap();
    assert_eq!(world.queue.take(WEBHOOK).len(), 1);
}
