//! Events that are to be delivered later are waited for; of what stays missing somebody is told, once.

use postrider_application::ports::table::{Delete, Key, Write};
use postrider_application::ports::{Clock as _, OutgoingMessage, QueueName, TableName};
use postrider_application::stores::events::ScheduleState;
use postrider_domain::reconciliation::{Counts, ReconciliationState};
use postrider_testkit::faults::Fault;

use crate::counted::{Counted, HOUR, MINUTE, delivered};

#[tokio::test]
async fn scheduled_events_are_waited_for_and_cancelled_ones_are_not_missed() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    let begins_at = world.clock.now().after(30 * HOUR);
    for id in ["lost", "later", "cancelled"] {
        world.publish_for(Some(id), begins_at).await.unwrap();
    }
    world.cancel.cancel(&world.tenant, &"cancelled".parse().unwrap()).await.unwrap();
    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 0);
    let hour = counted.hour().await;
    let counts = Counts { accepted: 3, scheduled: 2, ..Counts::default() };
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Open, counts));
    assert_eq!(hour.due_at, Some(begins_at.after(30 * MINUTE)), "there is nothing to see before");
    // Endpoints are looked up when an event begins, also where its message is lost.
    world.endpoint("*").await;
    counted.forward_to(begins_at);
    world.schedule.run(MINUTE).await.unwrap();
    let (lost, kept): (Vec<OutgoingMessage>, Vec<OutgoingMessage>) = world
        .queue
        .take(QueueName::Events)
        .into_iter()
        .partition(|message| message.body.text().contains("\"lost\""));
    assert_eq!((lost.len(), kept.len()), (1, 1));
    assert_eq!(world.deal(QueueName::Events, &kept, 1).await, 0);
    world.settle().await;
    world.clock.forward(30 * MINUTE);
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 4);
    world.clock.forward(5 * MINUTE);
    counted.run().await;
    let hour = counted.hour().await;
    let counts = Counts { accepted: 3, matched: 4, delivered: 4, ..Counts::default() };
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, counts));
}

/// Fan-out died when it had begun with an event, which is for the endpoints that there were by then.
#[tokio::test]
async fn a_scheduled_event_that_was_begun_and_lost_reaches_those_that_were_there() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let begins_at = world.clock.now().after(10 * MINUTE);
    world.publish_for(Some("died"), begins_at).await.unwrap();
    counted.forward_to(begins_at);
    world.endpoint("*").await;
    let messages = world.queue.take(QueueName::Events);
    world.plan.strike_at(4, Fault::CrashBefore);
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 1);
    world.plan.recover();
    let stored = world.events.get(&world.tenant, &"died".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.schedule.map(|schedule| schedule.state), Some(ScheduleState::Begun));
    counted.end_hour();
    world.endpoint("*").await;
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    world.clock.forward(5 * MINUTE);
    counted.run().await;
    assert_eq!((counted.hour().await.counts, world.channel.calls().len()), (delivered(1), 1));
}

#[tokio::test]
async fn somebody_is_told_once_when_repairing_does_not_help() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    counted.publish("lost").await;
    counted.publish("fine").await;
    world.queue.take(QueueName::Events);
    counted.end_hour();
    let mut told = Vec::new();
    for minute in 0..300 {
        counted.run().await;
        // Whatever is sent for this event disappears.
        let messages = world.queue.take(QueueName::Events);
        let kept: Vec<_> =
            messages.into_iter().filter(|message| !message.body.text().contains("\"lost\"")).collect();
        world.deal(QueueName::Events, &kept, 1).await;
        world.settle().await;
        if counted.told().await > told.len() {
            told.push(minute);
        }
        world.clock.forward(MINUTE);
    }
    assert_eq!(told, [75]);
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!((hour.state, hour.counts.events_missing), (ReconciliationState::Gap, 1));
    // It gets through at last.
    let hour = counted.a_day_and_another_later().await;
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, delivered(2)));
    assert_eq!(counted.told().await, 1);
}

/// What fan-out has made and nobody finds any more is a gap, even if there is nothing to send again.
#[tokio::test]
async fn a_delivery_that_disappeared_is_a_gap() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoint = world.endpoint("*").await;
    let accepted = counted.publish("e1").await;
    world.settle().await;
    let key = |id: postrider_domain::DeliveryId| {
        Key::new(format!("T#{}#D#{}", world.tenant, id.endpoint()), id.event_part().to_string())
    };
    let key = key(world.delivery(&accepted, endpoint).await.id);
    let delete = Write::Delete(Delete { table: TableName::Ledger, key, condition: None });
    world.table.transact(vec![delete]).await.unwrap();
    world.manage.delete(&world.tenant, endpoint).await.unwrap();
    counted.end_hour();
    for _ in 0..90 {
        counted.run().await;
        world.settle().await;
        world.clock.forward(MINUTE);
    }
    let hour = counted.hours().await.pop().unwrap();
    assert_eq!((hour.state, hour.counts.gap()), (ReconciliationState::Gap, 1));
    assert_eq!(counted.told().await, 1);
}
