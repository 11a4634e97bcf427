//! Ordered endpoints: one delivery after the other, in the order in which the events were accepted.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postrider_application::endpoints::{Changes, ParkedChoice};
use postrider_application::ports::{OutgoingMessage, Queue as _, QueueName};
use postrider_domain::retry::Backoff;
use postrider_domain::{DeliveryId, DeliveryStatus, EndpointId, EndpointStatus, Outcome, RetryPolicy};
use postrider_testkit::faults::Fault;

use crate::world::{WEBHOOK, World, publication};

/// Names whose order says nothing of their events' order.
const NAMES: [&str; 12] = ["m", "c", "z", "a", "q", "b", "y", "d", "x", "e", "w", "f"];

async fn ordered_world() -> (World, EndpointId) {
    let world = World::new();
    let endpoint = ordered_endpoint(&world).await;
    (world, endpoint)
}

async fn ordered_endpoint(world: &World) -> EndpointId {
    let endpoint = world.endpoint("*").await;
    let changes = Changes { in_order: Some(true), ..Changes::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    endpoint
}

/// Publishes events one after the other at the same moment.
async fn publish(world: &World, names: &[&str]) -> Vec<DeliveryId> {
    let endpoint = world.endpoints.all(&world.tenant).await.unwrap()[0].endpoint.id;
    let mut ids = Vec::new();
    for name in names {
        let accepted = world.publish(Some(name), "{}").await.unwrap();
        ids.push(DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint));
    }
    ids
}

/// The messages of a queue, the last one first.
fn reversed(world: &World, queue: QueueName) -> Vec<OutgoingMessage> {
    let mut messages = world.queue.take(queue);
    messages.reverse();
    messages
}

/// Makes the deliveries of what was published, and deals with those of their messages that are visible first.
async fn deal_soonest(world: &World) {
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    let messages = world.queue.take(WEBHOOK);
    let Some(soonest) = messages.iter().map(|message| message.delay).min() else { return };
    let (visible, later): (Vec<_>, Vec<_>) = messages.into_iter().partition(|it| it.delay == soonest);
    world.clock.forward(soonest);
    assert_eq!(world.deal(WEBHOOK, &visible, 1).await, 0);
    world.queue.send(WEBHOOK, later).await;
}

/// The receiver's calls, each event's first one.
fn first_calls(world: &World) -> Vec<String> {
    let mut seen = HashSet::new();
    world.channel.calls().into_iter().filter(|call| seen.insert(call.clone())).collect()
}

#[tokio::test]
async fn deliveries_go_one_after_the_other_however_their_messages_come() {
    let (world, endpoint) = ordered_world().await;
    publish(&world, &NAMES).await;
    let messages = reversed(&world, QueueName::Events);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    let messages = reversed(&world, WEBHOOK);
    assert_eq!(messages.len(), NAMES.len());
    assert_eq!(world.deal(WEBHOOK, &messages[..3], 1).await, 0);
    assert_eq!(world.channel.calls(), NAMES, "whoever comes first deals with all");
    assert_eq!(world.channel.most_under_way(), 1);
    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls(), NAMES);
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, NAMES.len());
}

#[tokio::test]
async fn the_events_of_a_batch_are_in_its_order_whoever_gave_them_ids() {
    let (world, _) = ordered_world().await;
    let publications = (0..100).map(|number| {
        let id = (number % 2 == 0).then(|| format!("{:02}", (number * 37) % 100));
        publication(id.as_deref(), "{}")
    });
    let accepted = world.ingest.accept_batch(&world.tenant, publications.collect()).await;
    let accepted: Vec<_> = accepted.into_iter().map(|one| one.unwrap().event_id.to_string()).collect();
    world.settle().await;
    assert_eq!(world.channel.calls(), accepted);
}

#[tokio::test]
async fn one_that_is_tried_again_holds_back_the_others() {
    let (world, endpoint) = ordered_world().await;
    world.channel.answer(&[Outcome::Delivered, Outcome::Retry, Outcome::Retry]);
    publish(&world, &["c", "b", "a"]).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["c", "b", "b", "b", "a"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
}

#[tokio::test]
async fn one_that_is_given_up_lets_the_others_go_on() {
    let (world, endpoint) = ordered_world().await;
    world.channel.answer(&[Outcome::Rejected]);
    publish(&world, &["b", "a"]).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), ["b", "a"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Failed).await, 1);
}

#[tokio::test]
async fn one_that_blocks_for_too_long_is_parked_and_goes_on_when_somebody_asks() {
    let (world, endpoint) = ordered_world().await;
    let retry = RetryPolicy { jitter: 0.0, max_attempts: 9, ..RetryPolicy::default() };
    let max_blocked = Some(Some(Duration::from_secs(5)));
    let changes = Changes { retry: Some(retry), max_blocked, ..Changes::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.channel.answer(&[Outcome::Retry; 3]);
    let ids = publish(&world, &["b", "a", "c"]).await;
    world.settle().await;
    // At 0, 1 and 3 s; the fourth attempt would have been at 7 s.
    assert_eq!(world.channel.calls(), ["b", "b", "b", "a", "c"]);
    let parked = world.deliveries.get(&world.tenant, ids[0]).await.unwrap().unwrap();
    assert_eq!((parked.status, parked.attempt_count), (DeliveryStatus::Parked, 3));
    assert!(parked.error.unwrap().contains("held back"));
    world.redeliver.retry(&world.tenant, ids[0], "key_x").await.unwrap();
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
    assert_eq!(world.channel.calls().len(), 6);
}

#[tokio::test]
async fn what_was_parked_goes_on_in_order_and_before_what_comes_later() {
    let (world, endpoint) = ordered_world().await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    publish(&world, &NAMES[..6]).await;
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 6);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    // Those that come now are faster than what was parked.
    publish(&world, &NAMES[6..]).await;
    let messages: Vec<_> = reversed(&world, QueueName::Events);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    let messages = reversed(&world, WEBHOOK);
    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls(), NAMES);
}

#[tokio::test]
async fn what_is_kept_parked_holds_back_nobody_and_is_in_order_when_it_goes_on() {
    let (world, endpoint) = ordered_world().await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    publish(&world, &NAMES[..4]).await;
    world.settle().await;
    world.clock.forward(Duration::from_secs(1));
    let (tenant, status) = (&world.tenant, &world.status);
    status.activate(tenant, endpoint, ParkedChoice::Keep, "key_x").await.unwrap();
    publish(&world, &NAMES[4..6]).await;
    world.settle().await;
    assert_eq!(world.channel.calls(), NAMES[4..6]);
    status.decide_parked(tenant, endpoint, ParkedChoice::Drain, "key_x").await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls()[2..], NAMES[..4]);
    assert_eq!(world.channel.most_under_way(), 1);
}

#[tokio::test]
async fn a_circuit_that_opens_loses_no_place() {
    let (world, endpoint) = ordered_world().await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    let strategy = Backoff::Fixed { delay: Duration::from_secs(1) };
    let retry = RetryPolicy { strategy, jitter: 0.0, max_attempts: 30 };
    let changes = Changes { retry: Some(retry), ..Changes::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    publish(&world, &NAMES[..6]).await;
    // The next attempt of the first one, and those that wait behind it and come back much later.
    for _ in 0..11 {
        deal_soonest(&world).await;
    }
    assert_eq!(world.circuit(endpoint).await.state.as_str(), "open");
    assert_eq!(first_calls(&world), NAMES[..1]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 6, "also those that were not tried");
    world.channel.is_broken.store(false, Ordering::SeqCst);
    publish(&world, &NAMES[6..]).await;
    world.live(20).await;
    assert_eq!(first_calls(&world), NAMES);
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, NAMES.len());
}

#[tokio::test]
async fn one_that_is_cancelled_lets_the_others_go_on() {
    let (world, endpoint) = ordered_world().await;
    // It waits in the ledger, without a message.
    let waits = Backoff::Fixed { delay: Duration::from_secs(3_000) };
    let retry = RetryPolicy { strategy: waits, ..RetryPolicy::default() };
    let changes = Changes { retry: Some(retry), ..Changes::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.channel.answer(&[Outcome::Retry]);
    let ids = publish(&world, &["b", "a", "c"]).await;
    deal_soonest(&world).await;
    assert_eq!(world.channel.calls(), ["b"]);
    world.queue.take(WEBHOOK);
    world.redeliver.cancel(&world.tenant, ids[0], "key_x", None).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["b", "a", "c"]);
}

#[tokio::test]
async fn skipping_what_is_parked_lets_the_others_go_on() {
    let (world, endpoint) = ordered_world().await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    publish(&world, &["b", "a"]).await;
    world.settle().await;
    world.clock.forward(Duration::from_secs(1));
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Skip, "key_x").await.unwrap();
    publish(&world, &["c"]).await;
    // Its message is gone before the others are.
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(world.deal(QueueName::Events, &messages[1..], 1).await, 0);
    world.queue.take(WEBHOOK);
    assert_eq!(world.deal(QueueName::Events, &messages[..1], 1).await, 0);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["c"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Cancelled).await, 2);
}

#[tokio::test]
async fn an_endpoint_that_is_not_ordered_any_more_leaves_nothing_waiting() {
    let (world, endpoint) = ordered_world().await;
    world.channel.answer(&[Outcome::Retry]);
    publish(&world, &NAMES).await;
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    let messages = world.queue.take(WEBHOOK);
    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 0);
    assert_eq!(world.channel.calls().len(), 1);
    world.queue.take(WEBHOOK);
    world.status.end_line(&world.tenant, endpoint).await.unwrap();
    let changes = Changes { in_order: Some(false), ..Changes::default() };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, NAMES.len());
}

#[tokio::test]
async fn what_is_asked_for_again_goes_at_once_and_what_is_new_goes_in_order() {
    let (world, endpoint) = ordered_world().await;
    let ids = publish(&world, &["b", "a"]).await;
    world.settle().await;
    world.redeliver.retry(&world.tenant, ids[0], "key_x").await.unwrap();
    publish(&world, &["c", "d"]).await;
    world.settle().await;
    let calls = world.channel.calls();
    assert_eq!(calls.iter().filter(|call| *call == "b").count(), 2);
    let others: Vec<_> = calls.into_iter().filter(|call| call != "b").collect();
    assert_eq!(others, ["a", "c", "d"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 4);
}

/// Publishes three events and deals with all messages; the `at`th call to table or queue of the step fails. What
/// failed comes again. Answers whether the call was made at all.
async fn with_a_fault(at: u64, fault: Fault, first_answers: &[Outcome]) -> bool {
    let (world, endpoint) = ordered_world().await;
    world.channel.answer(first_answers);
    let names = ["b", "c", "a"];
    world.plan.strike_at(at, fault);
    let mut was_made = false;
    for name in names {
        // A publisher that is not answered publishes again, before anything else.
        while world.publish(Some(name), "{}").await.is_err() {
            was_made = true;
            world.plan.recover();
        }
    }
    for queue in [QueueName::Events, WEBHOOK] {
        let messages = reversed(&world, queue);
        for message in &messages {
            let mut receives = 1;
            while world.deal(queue, std::slice::from_ref(message), receives).await > 0 {
                receives += 1;
                assert!(receives < 10);
                was_made = true;
                world.plan.recover();
            }
        }
    }
    was_made |= world.plan.calls() >= at;
    world.plan.recover();
    world.settle().await;
    world.clock.forward(Duration::from_secs(600));
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3, "{fault:?} at {at}");
    assert_eq!(first_calls(&world), names, "{fault:?} at {at}");
    assert_eq!(world.channel.most_under_way(), 1, "{fault:?} at {at}");
    was_made
}

#[tokio::test]
async fn a_crash_anywhere_changes_no_order_and_loses_nothing() {
    for answers in [&[][..], &[Outcome::Retry], &[Outcome::Delivered, Outcome::Retry]] {
        for fault in Fault::ALL {
            let mut at = 1;
            while with_a_fault(at, fault, answers).await {
                at += 1;
            }
            assert!(at > 40, "{at}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_died_holds_up_the_line_until_its_message_comes_again() {
    for at in 1.. {
        let (world, endpoint) = ordered_world().await;
        publish(&world, &["b", "a", "c"]).await;
        let messages = world.queue.take(QueueName::Events);
        assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
        let messages = world.queue.take(WEBHOOK);
        world.plan.strike_at(at, Fault::CrashBefore);
        assert_eq!(world.deal(WEBHOOK, &messages[..1], 1).await, 1);
        world.plan.recover();
        if world.channel.calls().is_empty() {
            continue;
        }
        assert_eq!(world.deal(WEBHOOK, &messages[1..], 1).await, 0);
        assert_eq!(world.channel.calls(), ["b"], "the line is taken");
        assert_eq!(world.deal(WEBHOOK, &messages[..1], 2).await, 0);
        assert_eq!(world.channel.calls(), ["b"], "nobody knows that it died");
        world.settle().await;
        assert_eq!(first_calls(&world), ["b", "a", "c"]);
        assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
        return;
    }
}
