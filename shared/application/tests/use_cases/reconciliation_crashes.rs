//! Crashes around the counting of hours, between any two calls to table and queue: nothing is lost, and nothing is
//! counted twice.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use futures::future::BoxFuture;
use postrider_application::ports::QueueName;
use postrider_application::reconcile::Reconcile;
use postrider_application::stores::{Deliveries, Events, Tenants};
use postrider_domain::DeliveryStatus;
use postrider_domain::reconciliation::ReconciliationState;
use postrider_testkit::faults::Fault;

use crate::circuit_crashes::Interleaved;
use crate::counted::{Counted, MINUTE, delivered};
use crate::world::{WEBHOOK, World};

/// Runs every minute, and deals with what is sent, until the hour is balanced.
async fn live(counted: &Counted, minutes: usize, what: &str) {
    for _ in 0..minutes {
        if counted.reconcile.run(MINUTE).await.is_err() {
            counted.world.plan.recover();
        }
        counted.world.settle().await;
        let hours = counted.hours().await;
        if hours.last().is_some_and(|hour| hour.state == ReconciliationState::Balanced) {
            return;
        }
        counted.world.clock.forward(MINUTE);
    }
    panic!("{what}: {:?}", counted.hours().await);
}

/// Matches a batch with a fault at a call; the messages that fail come again. Answers the number of calls.
async fn fan_out(call: u64, fault: Fault) -> u64 {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoints = [world.endpoint("*").await, world.endpoint("*").await];
    for id in [Some("e1"), None, Some("e3")] {
        world.publish(id, "{}").await.unwrap();
    }
    let messages = world.queue.take(QueueName::Events);
    world.plan.strike_at(call, fault);
    let failed = world.deal(QueueName::Events, &messages, 1).await;
    let calls = world.plan.calls();
    world.plan.recover();
    if failed > 0 {
        assert_eq!(world.deal(QueueName::Events, &messages, 2).await, 0);
    }
    world.settle().await;
    let what = format!("{fault:?} at call {call}");
    counted.end_hour();
    let run = counted.run().await;
    assert_eq!(run.repaired, 0, "{what}: all is there");
    let hour = counted.hour().await;
    let mut expected = delivered(6);
    expected.accepted = 3;
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, expected), "{what}");
    for endpoint in endpoints {
        assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3, "{what}");
    }
    assert_eq!(world.channel.calls().len(), 6, "{what}");
    calls
}

#[tokio::test]
async fn a_fault_anywhere_in_a_fan_out_leaves_an_hour_that_is_balanced() {
    let calls = fan_out(u64::MAX, Fault::ErrorBefore).await;
    assert!(calls >= 9, "{calls}");
    for fault in Fault::ALL {
        for call in 1..=calls {
            fan_out(call, fault).await;
        }
    }
}

/// The same when the messages never come again: a worker that dies takes them with it.
#[tokio::test]
async fn a_fan_out_that_ended_anywhere_for_good_is_made_good() {
    for call in 1..=10 {
        let counted = Counted::new().await;
        let world = &counted.world;
        world.endpoint("*").await;
        world.endpoint("*").await;
        for id in [Some("e1"), None, Some("e3")] {
            world.publish(id, "{}").await.unwrap();
        }
        let messages = world.queue.take(QueueName::Events);
        world.plan.strike_at(call, Fault::CrashBefore);
        world.deal(QueueName::Events, &messages, 1).await;
        world.plan.recover();
        world.settle().await;
        counted.end_hour();
        let what = format!("dead before call {call}");
        live(&counted, 120, &what).await;
        assert_eq!(world.channel.calls().len(), 6, "{what}");
        assert_eq!((counted.hour().await.counts.matched, counted.told().await), (6, 0), "{what}");
    }
}

/// A fan-out fails anywhere, and when its message comes again one endpoint is gone: nobody misses a delivery.
#[tokio::test]
async fn what_matched_before_a_crash_and_not_after_it_is_no_gap() {
    for (fault, call) in Fault::ALL.into_iter().flat_map(|fault| (1..=10).map(move |call| (fault, call))) {
        let counted = Counted::new().await;
        let world = &counted.world;
        world.endpoint("*").await;
        let gone = world.endpoint("*").await;
        for id in [Some("e1"), None, Some("e3")] {
            world.publish(id, "{}").await.unwrap();
        }
        let messages = world.queue.take(QueueName::Events);
        world.plan.strike_at(call, fault);
        let failed = world.deal(QueueName::Events, &messages, 1).await;
        world.plan.recover();
        world.manage.delete(&world.tenant, gone).await.unwrap();
        world.clock.forward(MINUTE);
        if failed > 0 {
            assert_eq!(world.deal(QueueName::Events, &messages, 2).await, 0);
        }
        world.settle().await;
        counted.end_hour();
        counted.run().await;
        let what = format!("{fault:?} at call {call}");
        let hour = counted.hour().await;
        assert!(!hour.counts.lacks_something(), "{what}: {hour:?}");
        live(&counted, 120, &what).await;
        let counts = counted.hour().await.counts;
        assert_eq!((counts.delivered, counts.matched), (3, 3 + counts.cancelled), "{what}");
    }
}

/// An hour with something of each kind missing, made good with a fault at a call. Answers the number of calls.
async fn repair(call: u64, fault: Fault) -> u64 {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for id in [Some("e1"), None] {
        world.publish(id, "{}").await.unwrap();
    }
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    world.queue.take(WEBHOOK);
    for id in [Some("e3"), None] {
        world.publish(id, "{}").await.unwrap();
    }
    world.queue.take(QueueName::Events);
    counted.end_hour();
    world.plan.strike_at(call, fault);
    let _broken_off = counted.reconcile.run(MINUTE).await;
    let calls = world.plan.calls();
    world.plan.recover();
    let what = format!("{fault:?} at call {call}");
    live(&counted, 120, &what).await;
    let hour = counted.hour().await;
    assert_eq!((hour.counts, counted.told().await), (delivered(4), 0), "{what}");
    assert_eq!(world.channel.calls().len(), 4, "{what}");
    calls
}

#[tokio::test]
async fn a_fault_anywhere_in_counting_and_repairing_is_made_up_for() {
    let calls = repair(u64::MAX, Fault::ErrorBefore).await;
    assert!(calls > 20, "{calls}");
    for fault in Fault::ALL {
        for call in 1..=calls {
            repair(call, fault).await;
        }
    }
}

/// Somebody is told of a gap once, whatever fails on the way.
#[tokio::test]
async fn a_fault_anywhere_while_somebody_is_told_tells_them_once() {
    let until_told = async |call: u64, fault: Fault| {
        let counted = Counted::new().await;
        let world = &counted.world;
        world.publish(Some("lost"), "{}").await.unwrap();
        counted.end_hour();
        for minute in 0..=75 {
            if minute == 75 {
                world.plan.strike_at(call, fault);
            }
            let run = counted.reconcile.run(MINUTE).await;
            assert!(run.is_ok() || minute == 75);
            world.queue.take(QueueName::Events);
            world.clock.forward(MINUTE);
        }
        let calls = world.plan.calls();
        world.plan.recover();
        for _ in 0..20 {
            counted.reconcile.run(MINUTE).await.unwrap();
            world.queue.take(QueueName::Events);
            world.clock.forward(MINUTE);
        }
        let hour = counted.hours().await.pop().unwrap();
        assert_eq!(hour.state, ReconciliationState::Gap, "{fault:?} at call {call}");
        assert!(hour.told_at.is_some(), "{fault:?} at call {call}");
        assert_eq!(counted.told().await, 1, "{fault:?} at call {call}");
        calls
    };
    let calls = until_told(u64::MAX, Fault::ErrorBefore).await;
    for fault in Fault::ALL {
        for call in 1..=calls {
            until_told(call, fault).await;
        }
    }
}

/// A run beside which, before a call, another one does all there is to do.
async fn beside_another_run(at: usize) -> usize {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for id in [Some("e1"), None] {
        world.publish(id, "{}").await.unwrap();
    }
    world.queue.take(QueueName::Events);
    counted.end_hour();
    let another = over(world, world.table.clone());
    let happens: BoxFuture<'static, ()> = Box::pin(async move {
        another.run(MINUTE).await.unwrap();
    });
    let table = Arc::new(Interleaved {
        inner: world.table.clone(),
        calls: AtomicUsize::new(0),
        at,
        happens: Mutex::new(Some(happens)),
    });
    over(world, table.clone()).run(MINUTE).await.unwrap();
    let calls = table.calls.load(std::sync::atomic::Ordering::SeqCst);
    let what = format!("before call {at} of {calls}");
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(messages.len(), 2, "{what}");
    world.deal(QueueName::Events, &messages, 1).await;
    live(&counted, 30, &what).await;
    let hour = counted.hour().await;
    assert_eq!((hour.counts, hour.repaired), (delivered(2), 2), "{what}");
    assert_eq!(world.channel.calls().len(), 2, "{what}");
    calls
}

fn over(world: &World, table: Arc<dyn postrider_application::ports::Table>) -> Reconcile {
    Reconcile::new(
        Events::new(table.clone()),
        Deliveries::new(table.clone()),
        Tenants::new(table),
        world.queue.clone(),
        world.clock.clone(),
    )
}

#[tokio::test]
async fn two_runs_count_nothing_twice() {
    let calls = beside_another_run(usize::MAX).await;
    for at in 1..=calls {
        beside_another_run(at).await;
    }
}
