//! Parked deliveries whose release was lost are found; those that have a reason to be parked are left alone.

use std::time::Duration;

use postrider_application::endpoints::{Changes, ParkedChoice};
use postrider_application::ports::{Clock as _, QueueName};
use postrider_application::stores::buckets::{BucketKey, VersionedBucket};
use postrider_domain::rate_limit::Bucket;
use postrider_domain::reconciliation::{Counts, ReconciliationState};
use postrider_domain::{DeliveryStatus, EndpointId, EndpointStatus, Outcome, RetryPolicy};
use postrider_testkit::faults::Fault;

use crate::counted::{Counted, HOUR, MINUTE, delivered};
use crate::world::WEBHOOK;

/// An hour that is over, with so many deliveries that were parked because their endpoint was paused.
async fn parked(count: usize) -> (Counted, EndpointId) {
    let counted = Counted::new().await;
    let endpoint = counted.world.endpoint("*").await;
    park(&counted, endpoint, count).await;
    counted.end_hour();
    (counted, endpoint)
}

async fn park(counted: &Counted, endpoint: EndpointId, count: usize) {
    let world = &counted.world;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    world.publish_many(0..count).await;
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, count);
}

/// Deals with the messages of the queue of events but the releases, which get lost.
async fn lose_releases(counted: &Counted) {
    let messages = counted.world.queue.take(QueueName::Events).into_iter();
    let (lost, others): (Vec<_>, Vec<_>) =
        messages.partition(|message| message.body.text().contains("\"release\""));
    assert_eq!(lost.len(), 1);
    assert_eq!(counted.world.deal(QueueName::Events, &others, 1).await, 0);
}

/// Resumes the endpoint, of which nobody hears.
async fn resume_unheard(counted: &Counted, endpoint: EndpointId) {
    let world = &counted.world;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    lose_releases(counted).await;
}

fn all_parked(count: u64) -> Counts {
    Counts { accepted: count, matched: count, parked: count, ..Counts::default() }
}

#[tokio::test]
async fn a_lost_release_is_made_good() {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    resume_unheard(&counted, endpoint).await;
    assert_eq!(counted.run().await.repaired, 1, "one message for all");
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Repairing, all_parked(3)));
    assert_eq!((hour.stuck, hour.stuck_since), (3, hour.checked_at));
    world.settle().await;
    world.clock.forward(5 * MINUTE);
    assert_eq!(counted.run().await.repaired, 0);
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, delivered(3)));
    assert_eq!((hour.stuck, hour.stuck_since, hour.due_at), (0, None, None));
    assert_eq!(world.channel.calls().len(), 3);
}

#[tokio::test]
async fn a_release_that_is_lost_long_after_the_hour_is_made_good() {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    counted.run().await;
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.counts, hour.stuck), (ReconciliationState::Balanced, all_parked(3), 0));
    assert_eq!(hour.due_at, Some(world.clock.now().after(HOUR)));
    // Its circuit was opened and closed meanwhile, and whoever closed it was not heard.
    resume_unheard(&counted, endpoint).await;
    world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.settle().await;
    world.clock.forward(HOUR);
    assert_eq!(counted.run().await.repaired, 0, "while it is open");
    world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
    lose_releases(&counted).await;
    world.clock.forward(6 * HOUR);
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
    assert_eq!(counted.told().await, 0);
}

/// Looks at an hour over and over for ten hours, in which there is nothing to release.
async fn is_left_alone(counted: &Counted, what: &str) {
    for _ in 0..40 {
        assert_eq!(counted.run().await.repaired, 0, "{what}");
        counted.world.clock.forward(15 * MINUTE);
    }
    // The one in which they were published.
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!((hour.state, hour.stuck), (ReconciliationState::Balanced, 0), "{what}");
    assert!(hour.counts.parked > 0 && hour.due_at.is_some(), "{what}");
    assert_eq!(counted.told().await, 0, "{what}");
}

#[tokio::test]
async fn what_has_a_reason_to_be_parked_is_left_alone() {
    let (counted, _) = parked(3).await;
    is_left_alone(&counted, "paused").await;

    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Disabled).await.unwrap();
    world.settle().await;
    is_left_alone(&counted, "disabled").await;

    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    resume_unheard(&counted, endpoint).await;
    world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.settle().await;
    is_left_alone(&counted, "open circuit").await;

    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Keep, "key_x").await.unwrap();
    is_left_alone(&counted, "kept").await;

    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.manage.delete(&world.tenant, endpoint).await.unwrap();
    is_left_alone(&counted, "deleted").await;

    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    resume_unheard(&counted, endpoint).await;
    let key = BucketKey::Endpoint(world.tenant.clone(), endpoint);
    let booked_until = world.clock.now().after(11 * HOUR).as_millis() * 1_000_000;
    let bucket = Bucket { booked_until, ..Bucket::default() };
    world.deliveries.buckets().save(&key, VersionedBucket { bucket, version: 0 }).await.unwrap();
    is_left_alone(&counted, "a waiting list").await;
}

/// Also when it is done, and what it sent is still in a queue.
#[tokio::test]
async fn a_drain_under_way_is_left_alone() {
    let (counted, endpoint) = parked(250).await;
    let world = &counted.world;
    world.limit(endpoint, 100.0).await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    for portion in 0..3 {
        let messages = world.queue.take(QueueName::Events);
        world.deal(QueueName::Events, &messages, 1).await;
        assert_eq!(counted.run().await.repaired, 0, "portion {portion}");
        counted.world.clock.forward(20 * MINUTE);
    }
    assert_eq!(counted.run().await.repaired, 0, "done 20 minutes ago");
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!(hour.checked_at, Some(world.clock.now()));
    assert_eq!((hour.state, hour.stuck, hour.counts.parked), (ReconciliationState::Balanced, 0, 250));
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 250);
    assert_eq!(counted.told().await, 0);
}

#[tokio::test]
async fn what_a_person_keeps_stays_when_the_others_are_released() {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Keep, "key_x").await.unwrap();
    world.clock.forward(MINUTE);
    world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.publish_many(500..502).await;
    world.settle().await;
    world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
    lose_releases(&counted).await;
    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e500", "e501"]);
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 3);
}

/// Whoever resumes an endpoint lets go what was kept before, also when nobody hears of it.
#[tokio::test]
async fn a_lost_release_of_what_was_kept_is_made_good() {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Keep, "key_x").await.unwrap();
    world.status.decide_parked(&world.tenant, endpoint, ParkedChoice::Drain, "key_x").await.unwrap();
    world.queue.take(QueueName::Events);
    world.clock.forward(HOUR);
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
}

#[tokio::test]
async fn a_lost_skip_does_not_become_a_release() {
    for is_dead_letter in [false, true] {
        let (counted, endpoint) = parked(3).await;
        let world = &counted.world;
        world.status.activate(&world.tenant, endpoint, ParkedChoice::Skip, "key_x").await.unwrap();
        let messages = world.queue.take(QueueName::Events);
        if is_dead_letter {
            assert_eq!(world.deal(QueueName::EventsDead, &messages, 1).await, 0);
        }
        is_left_alone(&counted, "skipped").await;
        world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
        world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
        world.settle().await;
        assert!(world.channel.calls().is_empty());
        world.status.decide_parked(&world.tenant, endpoint, ParkedChoice::Skip, "key_x").await.unwrap();
        world.settle().await;
        assert_eq!(world.count(endpoint, DeliveryStatus::Cancelled).await, 3);
    }
}

/// A skip that died after its first portion, when the next one was on its way.
#[tokio::test]
async fn what_a_skip_did_not_reach_stays_parked() {
    let (counted, endpoint) = parked(150).await;
    let world = &counted.world;
    world.status.activate(&world.tenant, endpoint, ParkedChoice::Skip, "key_x").await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    world.queue.take(QueueName::Events);
    is_left_alone(&counted, "skipped").await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 50);
}

#[tokio::test]
async fn a_release_in_the_dead_letter_queue_is_made_good() {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(world.deal(QueueName::EventsDead, &messages, 1).await, 0);
    counted.run().await;
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
}

/// Nobody gets the releases, or nobody what they send.
#[tokio::test]
async fn somebody_is_told_when_releasing_does_not_help() {
    for are_released in [false, true] {
        let (counted, endpoint) = parked(3).await;
        let world = &counted.world;
        resume_unheard(&counted, endpoint).await;
        let mut told = Vec::new();
        for minute in 0..200 {
            counted.run().await;
            let messages = world.queue.take(QueueName::Events);
            let (releases, others): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| message.body.text().contains("\"release\""));
            world.deal(QueueName::Events, &others, 1).await;
            if are_released {
                world.deal(QueueName::Events, &releases, 1).await;
            }
            world.queue.take(WEBHOOK);
            if counted.told().await > told.len() {
                told.push(minute);
            }
            world.clock.forward(MINUTE);
        }
        assert_eq!(told, [75], "{are_released}");
        let hour = counted.hours().await.pop().unwrap();
        assert_eq!((hour.state, hour.stuck), (ReconciliationState::Gap, 3));
    }
}

#[tokio::test]
async fn a_line_whose_release_was_lost_goes_on_in_its_order() {
    let (counted, endpoint) = Counted::in_order().await;
    let world = &counted.world;
    park(&counted, endpoint, 5).await;
    counted.end_hour();
    counted.run().await;
    assert_eq!(counted.hour().await.stuck, 0);
    resume_unheard(&counted, endpoint).await;
    world.clock.forward(HOUR);
    assert_eq!(counted.run().await.repaired, 1, "one message for all");
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e000", "e001", "e002", "e003", "e004"]);
    assert_eq!(counted.told().await, 0);
}

#[tokio::test]
async fn what_held_back_a_line_for_too_long_waits_for_a_person() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoint = world.endpoint("*").await;
    let changes = Changes {
        in_order: Some(true),
        max_blocked: Some(Some(Duration::from_secs(1))),
        retry: Some(RetryPolicy { jitter: 0.0, max_attempts: 9, ..RetryPolicy::default() }),
        ..Changes::default()
    };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.clock.forward(MINUTE);
    world.channel.answer(&[Outcome::Retry; 2]);
    world.publish_many(0..3).await;
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 1);
    counted.end_hour();
    is_left_alone(&counted, "given way").await;
}

/// Makes a lost release good with a fault at a call. Answers the number of calls.
async fn make_good(call: u64, fault: Fault) -> u64 {
    let (counted, endpoint) = parked(3).await;
    let world = &counted.world;
    resume_unheard(&counted, endpoint).await;
    world.plan.strike_at(call, fault);
    let _broken_off = counted.reconcile.run(MINUTE).await;
    let calls = world.plan.calls();
    world.plan.recover();
    for _ in 0..50 {
        counted.run().await;
        world.settle().await;
        world.clock.forward(MINUTE);
    }
    let what = format!("{fault:?} at call {call}");
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, delivered(3)), "{what}");
    assert_eq!((world.channel.calls().len(), counted.told().await), (3, 0), "{what}");
    calls
}

#[tokio::test]
async fn a_fault_anywhere_in_releasing_is_made_up_for() {
    let calls = make_good(u64::MAX, Fault::ErrorBefore).await;
    assert!(calls > 12, "{calls}");
    for fault in Fault::ALL {
        for call in 1..=calls {
            make_good(call, fault).await;
        }
    }
}

/// What an hour costs does not grow with what is parked in it, and nothing is asked of endpoints whose deliveries are
/// over.
#[tokio::test]
async fn an_endpoint_is_asked_about_once_in_a_look() {
    let mut calls = Vec::new();
    for count in [20, 60] {
        let (counted, endpoint) = parked(count).await;
        resume_unheard(&counted, endpoint).await;
        counted.world.plan.recover();
        assert_eq!(counted.run().await.repaired, 1);
        calls.push(counted.world.plan.calls());
        counted.world.settle().await;
        counted.world.clock.forward(5 * MINUTE);
        counted.world.plan.recover();
        assert_eq!(counted.run().await.repaired, 0);
        calls.push(counted.world.plan.calls());
    }
    let [first, over, other, other_over] = calls[..] else { panic!("{calls:?}") };
    assert!(first == other && over == other_over, "{calls:?}");
}
