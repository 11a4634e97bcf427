//! Attempts, waits and the end of a delivery.

use std::time::Duration;

use postrider_application::ports::QueueName;
use postrider_application::redeliver::{RedeliverError, Settlement};
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
    let pending = DeadLetterFilter {
        state: Some(DeadLetterState::Pending),
        endpoint: Some(endpoint),
        ..DeadLetterFilter::default()
    };
    let letters = world.dead_letters.list(&world.tenant, &pending, page()).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].reason), (1, FailureReason::Exhausted));
    assert_eq!(letters[0].error.as_deref(), Some("told to fail"));

    let redrive =
        |note| world.redeliver.settle(&world.tenant, letters[0].id, Settlement::Redrive, "key_x", note);
    redrive(Some("repaired")).await.unwrap();
    // Asking twice sends once.
    redrive(None).await.unwrap();
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
    let handled = letter.handled.unwrap();
    assert_eq!((handled.note.as_deref(), &*handled.by), (Some("repaired"), "key_x"));
}

#[tokio::test]
async fn what_was_done_about_a_dead_letter_stays_done() {
    let world = World::new();
    world.endpoint("*").await;
    for (settlement, state) in [
        (Settlement::Resolve, DeadLetterState::Resolved),
        (Settlement::Discard, DeadLetterState::Discarded),
        (Settlement::Redrive, DeadLetterState::Redriven),
    ] {
        world.channel.answer(&[Outcome::Rejected]);
        world.publish(None, "{}").await.unwrap();
        world.settle().await;
        let filter =
            DeadLetterFilter { state: Some(DeadLetterState::Pending), ..DeadLetterFilter::default() };
        let page = PageRequest { limit: 10, after: None };
        let letters = world.dead_letters.list(&world.tenant, &filter, page).await.unwrap().items;
        let [letter] = &letters[..] else { panic!("one that is pending: {letters:?}") };
        let settle = |settlement, by| world.redeliver.settle(&world.tenant, letter.id, settlement, by, None);
        let calls = world.channel.calls().len();
        assert_eq!(settle(settlement, "key_x").await.unwrap().state, state);
        let again = settle(settlement, "key_y").await.unwrap();
        assert_eq!(again.handled.unwrap().by, "key_x", "doing it again changes nothing");
        for other in [Settlement::Resolve, Settlement::Discard, Settlement::Redrive] {
            if other != settlement {
                let refused = settle(other, "key_y").await.unwrap_err();
                assert!(matches!(refused, RedeliverError::Handled(found) if found == state), "{refused}");
            }
        }
        world.settle().await;
        assert_eq!(world.channel.calls().len() - calls, usize::from(settlement == Settlement::Redrive));
    }
}

#[tokio::test]
async fn a_delivery_is_called_off_while_an_attempt_is_to_come() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Retry]);
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages, 1).await;
    let id = world.delivery(&accepted, endpoint).await.id;
    let cancelled = world.redeliver.cancel(&world.tenant, id, "key_x", Some("a mistake")).await.unwrap();
    assert_eq!(cancelled.error.as_deref(), Some("cancelled by key_x: a mistake"));
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1, "the retry did not happen");
    let refused = world.redeliver.cancel(&world.tenant, id, "key_x", None).await.unwrap_err();
    assert!(matches!(refused, RedeliverError::NotCancellable(DeliveryStatus::Cancelled)), "{refused}");
    world.redeliver.retry(&world.tenant, id, "key_x").await.unwrap();
    world.settle().await;
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Delivered);
    let refused = world.redeliver.cancel(&world.tenant, id, "key_x", None).await.unwrap_err();
    assert!(matches!(refused, RedeliverError::NotCancellable(DeliveryStatus::Delivered)), "{refused}");
    // A request that was called off before its message came stays so.
    let calls = world.channel.calls().len();
    world.redeliver.retry(&world.tenant, id, "key_x").await.unwrap();
    world.clock.forward(Duration::from_millis(1));
    world.redeliver.cancel(&world.tenant, id, "key_x", None).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), calls);
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
    world.redeliver.settle_all(&world.tenant, vec![first.id], Settlement::Redrive, "key_x", None).await;
    world.settle().await;
    let unmarked = world.dead_letters.get(&world.tenant, first.id).await.unwrap().unwrap();
    let unmarked = DeadLetter { version: unmarked.version, ..first };
    assert!(world.dead_letters.save(&unmarked).await.unwrap());
    let letters = world.dead_letters.list(&world.tenant, &filter(), page()).await.unwrap().items;
    assert!(letters.len() == 2 && letters.iter().all(|letter| letter.state == DeadLetterState::Pending));
    let all = letters.iter().map(|letter| letter.id).collect();
    world.redeliver.settle_all(&world.tenant, all, Settlement::Redrive, "key_x", None).await;
    assert_eq!(world.queue.take(WEBHOOK).len(), 1);
}
