//! Messages that crash their worker or cannot be read end where people find them, and take nothing with them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::ports::{Clock, OutgoingMessage, Queue, QueueName};
use postrider_application::redeliver::{RedeliverError, Settlement};
use postrider_application::stores::PageRequest;
use postrider_application::stores::dead_letters::{DeadLetter, DeadLetterFilter};
use postrider_application::stores::tenants::Tenant;
use postrider_application::system::SystemClock;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeliveryStatus, Outcome, Timestamp};
use postrider_embedded::{EventSource, EventSourceConfig, Grouping, LocalQueues};
use tokio::sync::watch;

use crate::world::{TestClock, WEBHOOK, WEBHOOK_DEAD, World};

pub(crate) async fn letters(world: &World) -> Vec<DeadLetter> {
    let page = PageRequest { limit: 100, after: None };
    world.dead_letters.list(&world.tenant, &DeadLetterFilter::default(), page).await.unwrap().items
}

fn message(body: impl Into<String>) -> OutgoingMessage {
    OutgoingMessage { body: body.into().into(), delay: Duration::ZERO, group: "acme".into() }
}

/// The world's clock, which waiting moves on.
struct MovedByWaiting(Arc<TestClock>);

#[async_trait]
impl Clock for MovedByWaiting {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, wait: Duration) {
        tokio::task::yield_now().await;
        self.0.forward(wait);
    }
}

/// From the queue to the ledger: what an event source hands out ten times without success ends as a dead letter,
/// and the other messages of its batches are delivered, once.
#[tokio::test]
async fn a_record_that_crashes_its_worker_becomes_a_dead_letter_and_the_others_are_delivered() {
    let world = Arc::new(World::new());
    let endpoint = world.endpoint("*").await;
    let poisoned = world.publish(Some("panic"), "{}").await.unwrap();
    for number in 0..9 {
        world.publish(Some(&format!("e{number}")), "{}").await.unwrap();
    }
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let queues = LocalQueues::in_memory(Arc::new(MovedByWaiting(world.clock.clone())));
    let sent = queues.send(WEBHOOK, world.queue.take(WEBHOOK)).await;
    assert_eq!(sent.iter().filter(|result| result.is_ok()).count(), 10);

    let (stop, stopped) = watch::channel(false);
    let config = EventSourceConfig {
        batch_size: 10,
        grouping: Grouping::Apart,
        concurrency: 1,
        visibility: Duration::from_secs(90),
    };
    let source = |queue: QueueName| {
        let world = world.clone();
        let handler: postrider_embedded::queue::Handler = Arc::new(move |records| {
            let world = world.clone();
            Box::pin(async move {
                match queue {
                    WEBHOOK_DEAD => world.record.handle(records).await,
                    _ => world.deliver.handle(records).await,
                }
            })
        });
        EventSource::new(queues.clone(), queue, config, handler).run(stopped.clone())
    };
    let sources = [tokio::spawn(source(WEBHOOK)), tokio::spawn(source(WEBHOOK_DEAD))];
    for _ in 0..10_000 {
        if !letters(&world).await.is_empty() {
            break;
        }
        SystemClock.sleep(Duration::from_millis(5)).await;
    }
    stop.send_replace(true);
    for source in sources {
        source.await.unwrap();
    }
    let letters = letters(&world).await;
    let [letter] = &letters[..] else { panic!("one dead letter: {letters:?}") };
    assert_eq!(letter.reason, FailureReason::Poisoned);
    assert_eq!(letter.event_id.as_ref().unwrap().as_str(), "panic");
    assert!(letter.error.as_ref().unwrap().contains("handed out too often"), "{letter:?}");
    assert_eq!(world.delivery(&poisoned, endpoint).await.status, DeliveryStatus::Failed);
    let mut calls = world.channel.calls();
    calls.sort();
    // The clock jumps whenever the source waits, also while an attempt is under way, which then comes again.
    calls.dedup();
    let expected: Vec<_> = (0..9).map(|number| format!("e{number}")).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_for_its_tenant_or_for_the_operator() {
    let world = World::new();
    let tenant = Tenant {
        id: world.tenant.clone(),
        name: "Acme".into(),
        publish_limit: None,
        created_at: world.clock.now(),
        version: 0,
    };
    world.tenants.create(&tenant).await.unwrap();
    let newer = r#"{"deliver":{"v":2,"tenant":"acme","endpoint":"ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2","endpoint_version":1,"attempt":1,"created_at":1,"event":{"id":"e1","type":"a.b","accepted_at":1,"data":1}}}"#;
    let wrong_id = r#"{"given_up":{"v":1,"tenant":"acme","delivery":"dlv_1","reason":"gone"}}"#;
    let nobodys = r#"{"given_up":{"v":1,"tenant":"nobody","delivery":"dlv_1","reason":"gone"}}"#;
    let long = "é".repeat(3000);
    let messages = [newer, wrong_id, nobodys, "{\"fan_out\":", "[]", &*long].map(message);
    assert_eq!(world.deal(WEBHOOK_DEAD, &messages, 1).await, 0);
    assert_eq!(world.deal(WEBHOOK_DEAD, &messages, 2).await, 0, "and once more is the same");

    let mut letters = letters(&world).await;
    letters.sort_by_key(|letter| letter.event_id.is_none());
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.reason == FailureReason::Unreadable));
    let [first, second] = &letters[..] else { unreachable!() };
    assert_eq!(first.event_id.as_ref().unwrap().as_str(), "e1");
    assert!(first.error.as_ref().unwrap().contains("version 2"), "{first:?}");
    assert_eq!((first.message.as_deref(), second.message.as_deref()), (Some(newer), Some(wrong_id)));

    let page = PageRequest { limit: 10, after: None };
    let kept = world.unreadable.list(page).await.unwrap().items;
    assert_eq!(kept.len(), 4);
    let cut = kept.iter().find(|kept| kept.message.starts_with('é')).unwrap();
    assert_eq!(cut.message.len(), 4096);
    assert!(kept.iter().all(|kept| !kept.error.is_empty()));

    let settle = |settlement| world.redeliver.settle(&world.tenant, second.id, settlement, "key_x", None);
    assert!(matches!(settle(Settlement::Redrive).await, Err(RedeliverError::Unreadable)));
    settle(Settlement::Discard).await.unwrap();
}

#[tokio::test]
async fn a_renewed_delivery_whose_message_is_poisoned_becomes_another_dead_letter() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Rejected]);
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let first = letters(&world).await.remove(0);
    world.redeliver.settle(&world.tenant, first.id, Settlement::Redrive, "key_x", None).await.unwrap();
    let messages = world.queue.take(WEBHOOK);
    for receive_count in [1, 2] {
        world.clock.forward(Duration::from_secs(1));
        assert_eq!(world.deal(WEBHOOK_DEAD, &messages, receive_count).await, 0);
        let letters = letters(&world).await;
        assert_eq!(letters.len(), 2, "{letters:?}");
        assert_eq!((letters[0].reason, letters[1].id), (FailureReason::Poisoned, first.id));
        assert_eq!(world.delivery(&accepted, endpoint).await.dead_letter, Some(letters[0].id));
    }
}

/// A delivery that had been given up as exhausted showed as poisoned when an old message of it was.
#[tokio::test]
async fn a_leftover_message_does_not_change_why_a_delivery_was_given_up() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish(None, "{}").await.unwrap();
    let events = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &events, 1).await;
    let messages = world.queue.take(WEBHOOK);
    world.channel.answer(&[Outcome::Rejected]);
    world.deal(WEBHOOK, &messages, 1).await;
    assert_eq!(world.deal(WEBHOOK_DEAD, &messages, 1).await, 0);
    assert_eq!(letters(&world).await[0].reason, FailureReason::Rejected);
}
