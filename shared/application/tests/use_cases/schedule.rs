//! Waits that are longer than a queue can hold a message.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postrider_application::ports::{Clock, QueueName};
use postrider_application::schedule::{INTERVAL, Run};
use postrider_application::stores::PageRequest;
use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_domain::retry::Backoff;
use postrider_domain::{
    ChannelKind, CircuitRules, Delivery, DeliveryStatus, EndpointId, EndpointStatus, Outcome, RetryPolicy,
};

use crate::world::World;

const WEBHOOK: QueueName = QueueName::Channel(ChannelKind::Webhook);
const HOUR: Duration = Duration::from_secs(3_600);

/// An endpoint whose second attempts are an hour after the first, and deliveries whose first attempt failed.
async fn waiting(deliveries: usize) -> (World, EndpointId) {
    // So many failures at once would open the endpoint's circuit.
    let world = World::with_rules(CircuitRules { failures: 1_000_000, ..CircuitRules::default() });
    let policy = RetryPolicy { max_attempts: 2, strategy: Backoff::Fixed { delay: HOUR }, jitter: 0.0 };
    let endpoint = world.endpoint_with("*", policy).await;
    world.channel.answer(&vec![Outcome::Retry; deliveries]);
    for number in 0..deliveries {
        world.publish(Some(&format!("e{number:03}")), "{}").await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.channel.calls().len(), deliveries);
    (world, endpoint)
}

async fn of(world: &World, endpoint: EndpointId) -> Vec<Delivery> {
    let (filter, page) = (DeliveryFilter::default(), PageRequest { limit: 100, after: None });
    world.deliveries.list(&world.tenant, &[endpoint], &filter, page).await.unwrap().items
}

async fn run(world: &World) -> Run {
    world.schedule.run(INTERVAL).await.unwrap()
}

#[tokio::test]
async fn a_long_wait_takes_no_message_until_it_is_nearly_over() {
    let (world, _) = waiting(1).await;
    let failed_at = world.clock.now();
    assert_eq!(run(&world).await, Run::default());
    world.clock.forward(HOUR - Duration::from_secs(90));
    assert_eq!(run(&world).await, Run { moved: 1, ..Run::default() });
    assert_eq!(run(&world).await, Run::default());
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 2);
    assert_eq!(world.clock.now().since(failed_at), HOUR);
}

#[tokio::test]
async fn two_runs_at_the_same_time_move_everything_once() {
    let (world, _) = waiting(250).await;
    world.clock.forward(HOUR);
    let (one, two) = futures::join!(run(&world), run(&world));
    assert_eq!((one.moved + two.moved, one.failed + two.failed), (250, 0));
    assert_eq!(world.queue.take(WEBHOOK).len(), 250);
}

#[tokio::test]
async fn what_is_late_is_spread() {
    let (world, _) = waiting(180).await;
    world.clock.forward(HOUR * 5);
    assert_eq!(run(&world).await.moved, 180);
    let messages = world.queue.take(WEBHOOK);
    let at_once = |second| messages.iter().filter(|m| m.delay == Duration::from_secs(second)).count();
    assert!((0..60).all(|second| at_once(second) == 3));
}

#[tokio::test]
async fn a_run_that_breaks_off_is_made_up_for() {
    let (world, endpoint) = waiting(3).await;
    world.clock.forward(HOUR);
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(run(&world).await, Run { failed: 3, ..Run::default() });
    world.queue.is_down.store(false, Ordering::SeqCst);
    // Put off, so that nobody else sends them at the same time.
    assert_eq!(run(&world).await.moved, 0);
    world.clock.forward(Duration::from_secs(600));
    assert_eq!(run(&world).await.moved, 3);
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 6);
    let all = of(&world, endpoint).await;
    assert!(all.iter().all(|delivery| delivery.status == DeliveryStatus::Delivered));
}

#[tokio::test]
async fn what_is_asked_for_by_hand_is_not_sent_once_more_when_it_is_due() {
    let (world, endpoint) = waiting(1).await;
    let delivery = of(&world, endpoint).await.remove(0);
    world.redeliver.retry(&world.tenant, delivery.id, "key_x").await.unwrap();
    world.settle().await;
    world.clock.forward(HOUR * 2);
    assert_eq!(run(&world).await, Run::default());
    assert_eq!(world.channel.calls().len(), 2);
}

#[tokio::test]
async fn a_paused_endpoint_is_not_called_when_its_wait_is_over() {
    let (world, endpoint) = waiting(1).await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    world.clock.forward(HOUR);
    assert_eq!(run(&world).await.moved, 1);
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 1);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 2);
}
