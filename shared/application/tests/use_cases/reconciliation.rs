//! Hours are counted, and what is missing is sent again.

use std::sync::Arc;
use std::time::Duration;

use postrider_application::endpoints::Changes;
use postrider_application::fan_out::CHUNK;
use postrider_application::ports::{Clock, QueueName};
use postrider_application::reconcile::{Reconcile, Reconciled};
use postrider_application::stores::buckets::{BucketKey, VersionedBucket};
use postrider_application::stores::tenants::Tenant;
use postrider_application::stores::{Deliveries, Events, Tenants};
use postrider_domain::rate_limit::Bucket;
use postrider_domain::reconciliation::{Counts, ReconciliationState};
use postrider_domain::{DeliveryStatus, EndpointStatus, Outcome, Priority, RetryPolicy, Timestamp};

use crate::counted::{Counted, HOUR, MINUTE, delivered, reconcile};
use crate::world::{WEBHOOK, publication};

#[tokio::test]
async fn an_hour_in_which_everything_arrived_is_balanced() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("order.*").await;
    world.endpoint("*").await;
    world.endpoint("invoice.*").await;
    for number in 0..5 {
        world.clock.forward(11 * MINUTE);
        counted.publish(&format!("own-{number}")).await;
        world.publish(None, "{}").await.unwrap();
        world.settle().await;
    }
    assert_eq!(counted.run().await, Reconciled::default(), "the hour is not over");
    counted.end_hour();
    assert_eq!(counted.run().await, Reconciled { opened: 1, looked_at: 1, ..Reconciled::default() });
    let hour = counted.hour().await;
    let counts = Counts { accepted: 10, matched: 20, delivered: 20, ..Counts::default() };
    assert_eq!((hour.state, hour.counts, hour.repaired), (ReconciliationState::Balanced, counts, 0));
    assert_eq!((hour.checked_at, hour.due_at), (Some(world.clock.now()), None));
    assert_eq!(counted.run().await, Reconciled::default());
}

#[tokio::test]
async fn hours_without_events_leave_nothing_and_cost_a_few_reads() {
    let counted = Counted::new().await;
    let plan = &counted.world.plan;
    counted.end_hour();
    plan.recover();
    assert_eq!(counted.run().await, Reconciled::default());
    assert!(plan.calls() <= 13, "{} calls for an hour of one tenant", plan.calls());
    plan.recover();
    assert_eq!(counted.run().await, Reconciled::default());
    assert_eq!(plan.calls(), 2, "in between");
    assert!(counted.hours().await.is_empty());
    // Many hours at once, after an outage of the schedule.
    counted.publish("e1").await;
    counted.world.settle().await;
    counted.world.clock.forward(50 * HOUR);
    assert_eq!(counted.run().await, Reconciled { opened: 1, looked_at: 1, ..Reconciled::default() });
    let nobody = Counts { accepted: 1, ..Counts::default() };
    assert_eq!(
        (counted.hour().await.state, counted.hour().await.counts),
        (ReconciliationState::Balanced, nobody)
    );
}

#[tokio::test]
async fn an_event_whose_message_was_lost_is_found_and_delivered() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for id in [Some("lost"), None] {
        world.publish(id, "{}").await.unwrap();
    }
    assert_eq!(world.queue.take(QueueName::Events).len(), 2);
    counted.publish("fine").await;
    world.settle().await;
    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 2);
    let hour = counted.hour().await;
    let counts = Counts { accepted: 3, events_missing: 2, matched: 1, delivered: 1, ..Counts::default() };
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Repairing, counts));
    // Nobody who came after it gets it.
    world.endpoint("*").await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 3);
    world.clock.forward(5 * MINUTE);
    assert_eq!(counted.run().await.repaired, 0);
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.counts, hour.repaired), (ReconciliationState::Balanced, delivered(3), 2));
    assert_eq!(counted.told().await, 0);
}

#[tokio::test]
async fn a_delivery_whose_message_was_lost_is_found_and_attempted() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoint = world.endpoint("*").await;
    // One before its first attempt, one of each lane; one that is to be attempted again.
    let urgent = postrider_application::ingest::Publication {
        priority: Priority::try_from(9).unwrap(),
        ..publication(Some("urgent"), "{}")
    };
    world.ingest.accept(&world.tenant, urgent).await.unwrap();
    counted.publish("first").await;
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    world.queue.take(WEBHOOK);
    world.queue.take(QueueName::Express(postrider_domain::ChannelKind::Webhook));
    world.channel.answer(&[Outcome::Retry]);
    counted.publish("second").await;
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages, 1).await;
    assert_eq!(world.queue.take(WEBHOOK).len(), 1);

    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 3);
    let hour = counted.hour().await;
    let counts = Counts { accepted: 3, matched: 3, in_progress: 3, ..Counts::default() };
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Repairing, counts));
    world.settle().await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 3);
    assert_eq!(world.channel.calls().len(), 4);
    world.clock.forward(HOUR);
    counted.run().await;
    assert_eq!(counted.hours().await.pop().unwrap().counts, delivered(3));
}

#[tokio::test]
async fn what_waits_for_its_time_or_its_turn_is_left_alone() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let schedule = RetryPolicy {
        max_attempts: 4,
        strategy: postrider_domain::retry::Backoff::Schedule(vec![2 * HOUR; 3]),
        ..RetryPolicy::default()
    };
    world.endpoint_with("*", schedule).await;
    world.channel.answer(&[Outcome::Retry]);
    counted.publish("later").await;
    world.settle().await;
    // An endpoint with a waiting list.
    let slow = world.endpoint("*").await;
    let changes = Changes { subscriptions: Some(vec![]), ..Changes::default() };
    counted.publish("slow").await;
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    assert_eq!(world.queue.take(WEBHOOK).len(), 2);
    world.manage.update(&world.tenant, slow, changes).await.unwrap();
    world.clock.forward(59 * MINUTE);
    // One that somebody is at, and one of which the message is on its way.
    counted.publish("now").await;
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    let on_its_way = world.queue.take(WEBHOOK);
    counted.end_hour();
    let key = BucketKey::Endpoint(world.tenant.clone(), slow);
    let booked_until = world.clock.now().after(HOUR).as_millis() * 1_000_000;
    let bucket = Bucket { booked_until, ..Bucket::default() };
    world.deliveries.buckets().save(&key, VersionedBucket { bucket, version: 0 }).await.unwrap();
    let run = counted.run().await;
    // The other endpoint's delivery of the event `slow`.
    assert_eq!(run.repaired, 1);
    assert_eq!(counted.hour().await.counts.in_progress, 4);
    world.queue_again(on_its_way).await;
    world.live(180).await;
    // Nobody waits any more, so the message of the one that did was lost, too.
    assert_eq!(counted.run().await.repaired, 1);
    world.settle().await;
    world.clock.forward(24 * HOUR);
    counted.run().await;
    assert_eq!(
        counted.hours().await.pop().unwrap().counts,
        Counts { matched: 4, delivered: 4, ..delivered(3) }
    );
}

#[tokio::test]
async fn a_line_that_stopped_goes_on_in_its_order() {
    let (counted, _) = Counted::in_order().await;
    let world = &counted.world;
    let names = ["m", "c", "z", "a", "q"];
    for name in names {
        counted.publish(name).await;
    }
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    assert_eq!(world.queue.take(WEBHOOK).len(), names.len());
    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 1, "one message for all");
    world.settle().await;
    assert_eq!(world.channel.calls(), names);
    world.clock.forward(HOUR);
    counted.run().await;
    assert_eq!(counted.hours().await.pop().unwrap().counts, delivered(5));
}

#[tokio::test]
async fn a_lost_continuation_of_an_event_for_many_is_made_good() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let endpoints = CHUNK * 2 + 3;
    for _ in 0..endpoints {
        world.endpoint("*").await;
    }
    counted.publish("e1").await;
    for _ in 0..2 {
        let messages = world.queue.take(QueueName::Events);
        world.deal(QueueName::Events, &messages, 1).await;
    }
    assert_eq!(world.queue.take(QueueName::Events).len(), 1, "the third part");
    world.settle().await;
    counted.end_hour();
    assert_eq!(counted.run().await.repaired, 1);
    let counts = counted.hour().await.counts;
    assert_eq!((counts.events_missing, counts.matched as usize), (1, CHUNK * 2));
    world.settle().await;
    world.clock.forward(5 * MINUTE);
    counted.run().await;
    let hour = counted.hour().await;
    assert_eq!((hour.state, hour.counts.delivered as usize), (ReconciliationState::Balanced, endpoints));
    assert_eq!(world.channel.calls().len(), endpoints);
}

#[tokio::test]
async fn deliveries_of_endpoints_that_are_gone_count() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let gone = world.endpoint("*").await;
    let paused = world.endpoint("*").await;
    // Its message comes after the others'.
    world.clock.forward(Duration::from_millis(1));
    let broken = world.endpoint_with("*", RetryPolicy { max_attempts: 1, ..RetryPolicy::default() }).await;
    for number in 0..10 {
        counted.publish(&format!("e{number}")).await;
    }
    world.settle().await;
    world.status.set(&world.tenant, paused, EndpointStatus::Paused).await.unwrap();
    world.channel.answer(&[Outcome::Delivered, Outcome::Rejected]);
    counted.publish("last").await;
    let messages = world.queue.take(QueueName::Events);
    world.deal(QueueName::Events, &messages, 1).await;
    for message in world.queue.take(WEBHOOK) {
        world.deal(WEBHOOK, &[message], 1).await;
    }
    world.settle().await;
    assert_eq!(world.count(broken, DeliveryStatus::Failed).await, 1);
    for endpoint in [gone, broken] {
        world.manage.delete(&world.tenant, endpoint).await.unwrap();
    }
    counted.end_hour();
    counted.run().await;
    let hour = counted.hour().await;
    let counts =
        Counts { accepted: 11, matched: 33, delivered: 31, parked: 1, failed: 1, ..Counts::default() };
    assert_eq!((hour.state, hour.counts), (ReconciliationState::Balanced, counts));
}

/// Each call to the clock takes a second.
struct Slow(Arc<crate::world::TestClock>);

#[async_trait::async_trait]
impl Clock for Slow {
    fn now(&self) -> Timestamp {
        self.0.forward(Duration::from_secs(1));
        self.0.now()
    }

    async fn sleep(&self, _: Duration) {}
}

/// More events than a portion takes, many of them of the same millisecond, and portions that end within a batch.
#[tokio::test]
async fn a_large_hour_is_looked_at_in_portions_by_several_runs() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for number in 0..6_000 {
        if number % 1_500 == 0 {
            world.clock.forward(MINUTE);
        } else if number > 1_500 && number % 3 == 0 {
            world.clock.forward(Duration::from_millis(1));
        }
        let id = format!("own-{number}");
        world.publish(Some(id.as_str()).filter(|_| number % 2 == 0), "{}").await.unwrap();
    }
    for portion in world.queue.take(QueueName::Events).chunks(10) {
        assert_eq!(world.deal(QueueName::Events, portion, 1).await, 0);
    }
    // Every tenth message is lost.
    let messages = world.queue.take(WEBHOOK).into_iter().enumerate();
    let messages: Vec<_> = messages.filter(|(index, _)| index % 10 > 0).map(|(_, message)| message).collect();
    world.queue_again(messages).await;
    world.settle_by(500).await;
    counted.end_hour();
    let slow = reconcile(world, Arc::new(Slow(world.clock.clone())));
    let (mut runs, mut looked_at, mut repaired) = (0, 0, 0);
    while looked_at == 0 {
        let run = slow.run(Duration::from_secs(7)).await.unwrap();
        runs += 1;
        looked_at += run.looked_at;
        repaired += run.repaired;
        assert!(runs < 20);
    }
    assert!(runs > 1, "{runs}");
    let hour = counted.hour().await;
    let counts = Counts { in_progress: 600, delivered: 5_400, ..delivered(6_000) };
    assert_eq!((hour.counts, hour.repaired, repaired), (counts, 600, 600));
    world.settle_by(500).await;
    world.clock.forward(HOUR);
    counted.run().await;
    assert_eq!(counted.hours().await.pop().unwrap().counts, delivered(6_000));
    assert_eq!(world.channel.calls().len(), 6_000);
}

#[tokio::test]
async fn hours_of_many_tenants_are_put_down_page_by_page() {
    let counted = Counted::new().await;
    let world = &counted.world;
    let tenants = Tenants::new(world.table.clone());
    for number in 0..230 {
        let id = format!("t{number:03}").parse().unwrap();
        let tenant = Tenant {
            id,
            name: String::new(),
            publish_limit: None,
            created_at: world.clock.now(),
            version: 0,
        };
        tenants.create(&tenant).await.unwrap();
        if number % 2 == 0 {
            world.ingest.accept(&tenant.id, publication(None, "{}")).await.unwrap();
        }
    }
    world.settle().await;
    counted.end_hour();
    let run = counted.run().await;
    assert_eq!(run, Reconciled { opened: 115, looked_at: 115, ..Reconciled::default() });
    assert_eq!(counted.run().await, Reconciled::default());
}

/// Of two runs at the same time one looks.
#[tokio::test]
async fn runs_that_overlap_send_nothing_twice() {
    let counted = Counted::new().await;
    let world = &counted.world;
    world.endpoint("*").await;
    for number in 0..50 {
        counted.publish(&format!("e{number}")).await;
    }
    world.queue.take(QueueName::Events);
    counted.end_hour();
    let other = Reconcile::new(
        Events::new(world.table.clone()),
        Deliveries::new(world.table.clone()),
        Tenants::new(world.table.clone()),
        world.queue.clone(),
        world.clock.clone(),
    );
    let (one, two) = futures::join!(counted.run(), other.run(MINUTE));
    let two = two.unwrap();
    assert_eq!((one.repaired + two.repaired, one.looked_at + two.looked_at), (50, 1));
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 50);
    assert_eq!(counted.hour().await.repaired, 50);
}
