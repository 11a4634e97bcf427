//! Deliveries that stay stuck are told as a gap is; a backlog that goes forward, and a line that waits, are not.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_application::endpoints::Changes;
use postrider_application::ports::QueueName;
use postrider_domain::reconciliation::ReconciliationState;
use postrider_domain::retry::Backoff;
use postrider_domain::{DeliveryStatus, Outcome, Reconciliation, RetryPolicy};

use crate::counted::{Counted, HOUR, MINUTE, delivered};
use crate::world::WEBHOOK;

/// Deals with all messages of the queue of events.
async fn deal_events(counted: &Counted) {
    let messages = counted.world.queue.take(QueueName::Events);
    counted.world.deal(QueueName::Events, &messages, 1).await;
}

#[tokio::test]
async fn somebody_is_told_once_of_what_stays_stuck() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for id in ["lost", "lost-too"] {
        counted.publish(id).await;
    }
    deal_events(&counted).await;
    counted.end_hour();
    let mut told = Vec::new();
    for minute in 0..300 {
        counted.run().await;
        deal_events(&counted).await;
        // Whatever is sent disappears.
        world.queue.take(WEBHOOK);
        if counted.told().await > told.len() {
            told.push(minute);
        }
        world.clock.forward(MINUTE);
    }
    assert_eq!(told, [75]);
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!((hour.state, hour.stuck, hour.counts.gap()), (ReconciliationState::Gap, 2, 0));
    // They get through at last.
    let hour = counted.a_day_and_another_later().await;
    assert_eq!((hour.state, hour.counts, hour.stuck), (ReconciliationState::Balanced, delivered(2), 0));
    assert_eq!((counted.told().await, world.channel.calls().len()), (1, 2));
}

/// A receiver that takes one event a minute got 200 in an hour and a few in the next: those wait for hours without any
/// progress, behind the others.
#[tokio::test]
async fn a_backlog_that_goes_forward_is_told_to_nobody() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoint = world.endpoint("*").await;
    let (first, second) = (240, 20);
    for number in 0..first {
        counted.publish(&format!("first-{number}")).await;
    }
    let mut backlog = VecDeque::new();
    let mut stuck_for = Duration::ZERO;
    for minute in 0..600 {
        if minute == 60 {
            for number in 0..second {
                counted.publish(&format!("second-{number}")).await;
            }
        }
        deal_events(&counted).await;
        backlog.extend(world.queue.take(WEBHOOK));
        if let Some(message) = backlog.pop_front() {
            world.deal(WEBHOOK, &[message], 1).await;
        }
        counted.run().await;
        assert_eq!(counted.told().await, 0, "minute {minute}");
        let latest = counted.hours().await.into_iter().next();
        let is_second = |hour: &Reconciliation| (hour.stuck, hour.counts.accepted) == (second, second);
        stuck_for += if latest.is_some_and(|hour| is_second(&hour)) { MINUTE } else { Duration::ZERO };
        world.clock.forward(MINUTE);
    }
    assert!(stuck_for > 90 * MINUTE, "without any progress: {stuck_for:?}");
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await as u64, first + second);
}

#[tokio::test]
async fn what_waits_behind_the_first_of_a_line_is_not_stuck() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoint = world.endpoint("*").await;
    let strategy = Backoff::Schedule(vec![5 * HOUR; 3]);
    let changes = Changes {
        in_order: Some(true),
        max_blocked: Some(Some(24 * HOUR)),
        retry: Some(RetryPolicy { max_attempts: 4, strategy, jitter: 0.0 }),
        ..Changes::default()
    };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    world.clock.forward(MINUTE);
    world.channel.answer(&[Outcome::Retry]);
    for name in ["m", "c", "z"] {
        counted.publish(name).await;
    }
    deal_events(&counted).await;
    for message in world.queue.take(WEBHOOK) {
        world.deal(WEBHOOK, &[message], 1).await;
    }
    // Those that would come back every quarter of an hour are lost.
    world.queue.take(WEBHOOK);
    counted.end_hour();
    for _ in 0..180 {
        assert_eq!(counted.run().await.repaired, 0);
        world.clock.forward(MINUTE);
    }
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.stuck, hour.counts.in_progress), (ReconciliationState::Open, 0, 3));
    world.live(150).await;
    assert_eq!(world.channel.calls(), ["m", "m", "c", "z"]);
    assert_eq!(counted.told().await, 0);
}
