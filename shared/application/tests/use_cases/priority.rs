//! Urgent events go through a lane of their own, also when they are repeated or released.

use std::time::Duration;

use postrider_application::ingest::Publication;
use postrider_application::ports::{Clock, QueueName};
use postrider_application::schedule::INTERVAL;
use postrider_domain::retry::Backoff;
use postrider_domain::{ChannelKind, EndpointStatus, Outcome, RetryPolicy};

use crate::world::{WEBHOOK, World, publication};

const EXPRESS: QueueName = QueueName::Express(ChannelKind::Webhook);

async fn publish(world: &World, id: &str, priority: u32) {
    let publication = Publication { priority: priority.try_into().unwrap(), ..publication(Some(id), "{}") };
    world.ingest.accept(&world.tenant, publication).await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
}

#[tokio::test]
async fn eight_and_above_are_urgent_and_stay_so_from_attempt_to_attempt() {
    let world = World::new();
    let policy = RetryPolicy {
        max_attempts: 3,
        strategy: Backoff::Schedule(vec![Duration::from_secs(5), Duration::from_secs(3_600)]),
        jitter: 0.0,
    };
    let endpoint = world.endpoint_with("*", policy).await;
    publish(&world, "usual", 7).await;
    assert_eq!((world.queue.take(WEBHOOK).len(), world.queue.take(EXPRESS).len()), (1, 0));
    world.channel.answer(&[Outcome::Retry, Outcome::Retry]);
    publish(&world, "urgent", 8).await;
    for _ in 0..2 {
        let messages = world.queue.take(EXPRESS);
        assert_eq!(messages.len(), 1);
        world.clock.forward(messages[0].delay);
        world.deal(EXPRESS, &messages, 1).await;
    }
    // Its next wait is too long for a queue.
    world.clock.forward(Duration::from_secs(3_600));
    assert_eq!(world.schedule.run(INTERVAL).await.unwrap().moved, 1);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    let messages = world.queue.take(EXPRESS);
    assert_eq!(messages.len(), 1);
    world.deal(EXPRESS, &messages, 1).await;
    // Parked, and released.
    world.clock.forward(Duration::from_secs(60));
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    assert!(world.queue.take(WEBHOOK).is_empty());
    let messages = world.queue.take(EXPRESS);
    world.deal(EXPRESS, &messages, 1).await;
    assert_eq!(world.channel.calls(), ["urgent"; 3]);
    assert!(world.clock.now().as_millis() > 0);
}
