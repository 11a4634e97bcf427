//! Events that are to be delivered later.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postrider_application::cancel_event::CancelError;
use postrider_application::ingest::IngestError;
use postrider_application::ports::{Clock, QueueName};
use postrider_application::schedule::{INTERVAL, Run};
use postrider_application::stores::events::ScheduleState;
use postrider_domain::Timestamp;

use crate::world::World;

const HOUR: Duration = Duration::from_secs(3_600);

fn ahead(world: &World, by: Duration) -> Timestamp {
    world.clock.now().after(by)
}

async fn run(world: &World) -> Run {
    world.schedule.run(INTERVAL).await.unwrap()
}

async fn state(world: &World, id: &str) -> Option<ScheduleState> {
    let stored = world.events.get(&world.tenant, &id.parse().unwrap()).await.unwrap().unwrap();
    stored.schedule.map(|schedule| schedule.state)
}

#[tokio::test]
async fn an_event_for_soon_waits_in_the_queue() {
    let world = World::new();
    world.endpoint("*").await;
    let at = ahead(&world, Duration::from_secs(900));
    world.publish_for(Some("soon"), at).await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(messages[0].delay, Duration::from_secs(900));
    // Should it come early, it waits on.
    world.clock.forward(Duration::from_secs(100));
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    assert_eq!(state(&world, "soon").await, Some(ScheduleState::Waiting));
    world.settle().await;
    assert_eq!((world.channel.calls(), world.clock.now()), (vec!["soon".to_owned()], at));
    assert_eq!(state(&world, "soon").await, Some(ScheduleState::Begun));
}

#[tokio::test]
async fn an_event_for_much_later_takes_no_message_until_its_time_is_near() {
    let world = World::new();
    for id in [Some("later"), None] {
        let at = ahead(&world, 24 * HOUR);
        world.publish_for(id, at).await.unwrap();
    }
    assert!(world.queue.take(QueueName::Events).is_empty());
    // Endpoints are looked up when it is delivered.
    world.endpoint("*").await;
    world.clock.forward(23 * HOUR);
    assert_eq!(run(&world).await, Run::default());
    world.clock.forward(HOUR - Duration::from_secs(90));
    assert_eq!(run(&world).await, Run { moved: 2, ..Run::default() });
    assert_eq!(run(&world).await, Run::default());
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 2);
}

#[tokio::test]
async fn what_is_past_means_now_and_what_is_too_far_is_refused() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish_for(None, Timestamp::from_millis(5)).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
    let too_far = ahead(&world, Duration::from_secs(30 * 24 * 3_600 + 1));
    let refused = world.publish_for(None, too_far).await;
    assert!(matches!(refused, Err(IngestError::Invalid(problems)) if problems[0].field == "deliver_at"));
}

#[tokio::test]
async fn two_runs_at_the_same_time_deliver_each_event_once_and_spread_the_late_ones() {
    let world = World::new();
    world.endpoint("*").await;
    let at = ahead(&world, HOUR);
    for number in 0..180 {
        world.publish_for(Some(&format!("e{number:03}")), at).await.unwrap();
    }
    world.clock.forward(5 * HOUR);
    let (one, two) = futures::join!(run(&world), run(&world));
    assert_eq!((one.moved + two.moved, one.failed + two.failed), (180, 0));
    let messages = world.queue.take(QueueName::Events);
    assert_eq!(messages.len(), 180);
    assert!(messages.iter().map(|message| message.delay).max() > Some(Duration::from_secs(20)));
    // Even if every message comes twice.
    assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
    assert_eq!(world.deal(QueueName::Events, &messages, 2).await, 0);
    world.settle().await;
    let mut calls = world.channel.calls();
    calls.sort();
    calls.dedup();
    assert_eq!((calls.len(), world.channel.calls().len()), (180, 180));
}

#[tokio::test]
async fn a_run_that_breaks_off_is_made_up_for() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish_for(Some("e1"), ahead(&world, HOUR)).await.unwrap();
    world.clock.forward(HOUR);
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(run(&world).await, Run { failed: 1, ..Run::default() });
    world.queue.is_down.store(false, Ordering::SeqCst);
    assert_eq!(run(&world).await.moved, 0);
    world.clock.forward(Duration::from_secs(600));
    assert_eq!(run(&world).await.moved, 1);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
}

#[tokio::test]
async fn an_event_is_cancelled_before_its_time_and_not_after() {
    let world = World::new();
    world.endpoint("*").await;
    let cancel = async |id: &str| world.cancel.cancel(&world.tenant, &id.parse().unwrap()).await;
    world.publish_for(Some("soon"), ahead(&world, Duration::from_secs(60))).await.unwrap();
    world.publish_for(Some("later"), ahead(&world, HOUR)).await.unwrap();
    world.publish_for(Some("kept"), ahead(&world, HOUR)).await.unwrap();
    world.publish(Some("now"), "{}").await.unwrap();
    assert!(matches!(cancel("none").await, Err(CancelError::Unknown(_))));
    assert!(matches!(cancel("now").await, Err(CancelError::TooLate(_))));
    for id in ["soon", "later", "later"] {
        let stored = cancel(id).await.unwrap();
        assert_eq!(stored.schedule.unwrap().state, ScheduleState::Cancelled);
    }
    world.settle().await;
    world.clock.forward(HOUR);
    assert!(matches!(cancel("kept").await, Err(CancelError::TooLate(_))), "its time has come");
    assert_eq!(run(&world).await.moved, 1);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["now", "kept"]);
    assert!(matches!(cancel("kept").await, Err(CancelError::TooLate(_))));
}

#[tokio::test]
async fn an_event_that_is_cancelled_while_its_message_is_on_its_way_is_not_delivered() {
    let world = World::new();
    world.endpoint("*").await;
    world.publish_for(Some("e1"), ahead(&world, HOUR)).await.unwrap();
    world.clock.forward(HOUR - Duration::from_secs(60));
    assert_eq!(run(&world).await.moved, 1);
    world.cancel.cancel(&world.tenant, &"e1".parse().unwrap()).await.unwrap();
    world.settle().await;
    assert!(world.channel.calls().is_empty());
    assert_eq!(run(&world).await, Run::default());
}

#[tokio::test]
async fn published_again_it_is_the_same_event_only_at_the_same_time() {
    let world = World::new();
    world.endpoint("*").await;
    let at = ahead(&world, HOUR);
    assert!(!world.publish_for(Some("e1"), at).await.unwrap().duplicate);
    assert!(world.publish_for(Some("e1"), at).await.unwrap().duplicate);
    let other = world.publish_for(Some("e1"), at.after(HOUR)).await;
    assert!(matches!(other, Err(IngestError::Conflict(_))));
    assert!(matches!(world.publish(Some("e1"), "{}").await, Err(IngestError::Conflict(_))));
    assert!(world.queue.take(QueueName::Events).is_empty(), "the schedule has it");
    world.clock.forward(HOUR);
    assert_eq!(run(&world).await.moved, 1);
    // Again when it is past: the same event.
    assert!(world.publish_for(Some("e1"), at).await.unwrap().duplicate);
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
}
