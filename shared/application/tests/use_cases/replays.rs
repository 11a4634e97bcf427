//! Replaying an event, a delivery, or an endpoint's deliveries.

use std::time::Duration;

use postrider_application::jobs::ManageJobError;
use postrider_application::ports::Clock as _;
use postrider_application::ports::table::{AttributeValue, Key, Put, TableName};
use postrider_application::redeliver::RedeliverError;
use postrider_domain::job::{Redrive, Replay, ReplayScope, SkipReason, Task};
use postrider_domain::{
    DeliveryId, DeliveryStatus, EndpointId, EndpointStatus, JobState, Outcome, Timestamp,
};

use crate::world::World;

fn scope(endpoint: EndpointId, since: Timestamp, until: Timestamp) -> ReplayScope {
    ReplayScope { endpoint, since, until, status: None, event_types: Vec::new(), to_endpoint: None }
}

fn task(scope: &ReplayScope) -> Task {
    Task::Replay(Replay::Endpoint(scope.clone()))
}

#[tokio::test]
async fn a_range_of_time_is_replayed_the_oldest_first_and_only_what_was_asked_for() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let mut accepted = Vec::new();
    for number in 0..20 {
        world.clock.forward(Duration::from_millis(10));
        if number % 5 == 0 {
            world.channel.answer(&[Outcome::Rejected]);
        }
        accepted.push(world.publish(Some(&format!("e{number:02}")), "{}").await.unwrap());
        world.settle().await;
    }
    let hour = scope(endpoint, accepted[5].accepted_at, accepted[15].accepted_at);
    for (status, expected) in [
        (None, (5..15).collect::<Vec<_>>()),
        (Some(DeliveryStatus::Delivered), vec![6, 7, 8, 9, 11, 12, 13, 14]),
        (Some(DeliveryStatus::Failed), vec![]),
    ] {
        let scope = ReplayScope { status, ..hour.clone() };
        let estimate = world.manage_jobs.estimate(&world.tenant, &task(&scope)).await.unwrap();
        // The first replay delivers what had failed.
        let expected = if status == Some(DeliveryStatus::Delivered) { (5..15).collect() } else { expected };
        assert_eq!((estimate.matched, estimate.is_lower_bound), (expected.len() as u64, false));
        let before = world.channel.calls().len();
        let job = world.start(task(&scope), 100).await;
        world.settle_by(1).await;
        let job = world.job(&job).await;
        assert_eq!((job.state, job.counts.sent), (JobState::Done, expected.len() as u64));
        let names: Vec<_> = expected.iter().map(|number| format!("e{number:02}")).collect();
        assert_eq!(world.channel.calls()[before..], names);
    }
    let none = ReplayScope { event_types: vec!["other.*".parse().unwrap()], ..hour.clone() };
    assert_eq!(world.manage_jobs.estimate(&world.tenant, &task(&none)).await.unwrap().matched, 0);
    let all =
        ReplayScope { event_types: vec!["other.*".parse().unwrap(), "order.*".parse().unwrap()], ..hour };
    assert_eq!(world.manage_jobs.estimate(&world.tenant, &task(&all)).await.unwrap().matched, 10);
    // The dead letters of what failed need nobody's attention any more, those outside of the range do.
    let pending =
        crate::poison::letters(&world).await.iter().filter(|letter| letter.handled.is_none()).count();
    assert_eq!(pending, 2);
}

#[tokio::test]
async fn deliveries_go_to_another_endpoint_where_one_that_is_there_is_renewed() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let first = world.publish(Some("first"), "{}").await.unwrap();
    world.settle().await;
    let other = world.endpoint("*").await;
    let second = world.publish(Some("second"), "{}").await.unwrap();
    world.settle().await;
    let paused = world.publish(Some("third"), "{}").await;
    world.status.set(&world.tenant, other, EndpointStatus::Paused).await.unwrap();
    world.settle().await;
    let third = paused.unwrap();
    world.settle().await;
    let scope = scope(endpoint, Timestamp::default(), world.clock_now());
    let scope =
        ReplayScope { to_endpoint: Some(other), until: scope.until.after(Duration::from_secs(1)), ..scope };
    let job = world.start(task(&scope), 100).await;
    world.settle().await;
    let job = world.job(&job).await;
    let under_way = u64::from(world.delivery(&third, other).await.status == DeliveryStatus::Parked);
    assert_eq!(job.counts.sent + job.counts.skipped(), 3, "{:?}", job.counts);
    assert_eq!(job.counts.skipped.get(&SkipReason::UnderWay).copied().unwrap_or(0), job.counts.skipped());
    assert!(under_way <= 1);
    world.status.set(&world.tenant, other, EndpointStatus::Active).await.unwrap();
    world.settle().await;
    for accepted in [&first, &second, &third] {
        let delivery = world.delivery(accepted, other).await;
        assert_eq!(delivery.status, DeliveryStatus::Delivered, "{delivery:?}");
    }
    assert_eq!(world.delivery(&first, other).await.attempt_count, 1);
    assert_eq!(world.delivery(&second, other).await.attempt_count, 2, "renewed");
}

#[tokio::test]
async fn an_event_is_replayed_to_those_that_had_it_or_to_those_that_are_named() {
    let world = World::new();
    let (one, two) = (world.endpoint("*").await, world.endpoint("*").await);
    let accepted = world.publish(Some("e"), "{}").await.unwrap();
    world.settle().await;
    let later = world.endpoint("*").await;
    let event = accepted.event_id.clone();
    let replay = |endpoints| Task::Replay(Replay::Event { event: event.clone(), endpoints });
    let estimate = world.manage_jobs.estimate(&world.tenant, &replay(None)).await.unwrap();
    assert_eq!(estimate.matched, 2);
    let job = world.start(replay(None), 100).await;
    world.settle().await;
    assert_eq!(world.job(&job).await.counts.sent, 2);
    for endpoint in [one, two] {
        let delivery = world.delivery(&accepted, endpoint).await;
        assert_eq!((delivery.attempt_count, delivery.spent()), (2, 1), "a renewed budget");
    }
    let job = world.start(replay(Some(vec![later, one, later])), 100).await;
    world.settle().await;
    assert_eq!(world.job(&job).await.counts.sent, 2);
    assert_eq!(world.delivery(&accepted, later).await.attempt_count, 1);
    assert_eq!(world.delivery(&accepted, one).await.attempt_count, 3);
    let unknown: EndpointId = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    let request = crate::redrives::request(replay(Some(vec![one, unknown])), 1);
    let refused = world.manage_jobs.start(&world.tenant, request, "key_x").await.unwrap_err();
    assert!(matches!(&refused, ManageJobError::Invalid(problems) if problems[0].field == "endpoints[1]"));
}

#[tokio::test]
async fn what_waits_is_left_alone_unless_its_status_is_asked_for() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    assert_eq!(world.delivery(&accepted, endpoint).await.status, DeliveryStatus::Parked);
    let now = world.clock_now().after(Duration::from_secs(1));
    let all = scope(endpoint, Timestamp::default(), now);
    let job = world.start(task(&all), 100).await;
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!((job.counts.sent, job.counts.skipped.get(&SkipReason::UnderWay)), (0, Some(&1)));
    let parked = ReplayScope { status: Some(DeliveryStatus::Parked), ..all };
    let job = world.start(task(&parked), 100).await;
    world.settle().await;
    assert_eq!(world.job(&job).await.counts.sent, 1);
}

#[tokio::test]
async fn a_job_whose_endpoint_was_deleted_fails_and_says_so() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let job = world.start(task(&scope(endpoint, Timestamp::default(), world.clock_now())), 1).await;
    world.manage.delete(&world.tenant, endpoint).await.unwrap();
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error, Some(format!("the endpoint {endpoint} was deleted")));
}

#[tokio::test]
async fn one_delivery_is_made_at_another_endpoint_of_the_tenants() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let other = world.endpoint("nothing").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    world.settle().await;
    let id = DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint);
    for attempts in [1, 2] {
        let delivery = world.redeliver.retry_to(&world.tenant, id, other, "key_x").await.unwrap();
        assert_eq!((delivery.endpoint(), delivery.status), (other, DeliveryStatus::Pending));
        world.settle().await;
        let delivery = world.delivery(&accepted, other).await;
        assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Delivered, attempts));
    }
    let unknown = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    let refused = world.redeliver.retry_to(&world.tenant, id, unknown, "key_x").await.unwrap_err();
    assert!(matches!(refused, RedeliverError::UnknownEndpoint(_)), "{refused}");
}

impl World {
    fn clock_now(&self) -> Timestamp {
        postrider_application::ports::Clock::now(&*self.clock)
    }
}

/// An event that cannot be read, which nothing but a defect or another hand makes, does not hold up the others.
#[tokio::test]
async fn an_event_that_cannot_be_read_fails_by_itself() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let since = world.clock.now();
    world.dead(3).await;
    let key = Key::new("T#acme#E#e001", "EVENT");
    let mut item = world.table.get(TableName::Ledger, key, true).await.unwrap().unwrap();
    item.insert("event", AttributeValue::S("no event".to_owned()));
    world.table.put(Put { table: TableName::Ledger, item, condition: None }).await.unwrap();
    let until = world.clock.now().after(Duration::from_secs(1));
    for task in [task(&scope(endpoint, since, until)), Task::Redrive(Redrive::default())] {
        world.clock.forward(Duration::from_secs(1));
        let job = world.start(task, 100).await;
        world.channel.answer(&[Outcome::Rejected, Outcome::Rejected]);
        world.settle().await;
        let job = world.job(&job).await;
        assert_eq!(
            (job.state, job.counts.sent, job.counts.failed),
            (JobState::Done, 2, 1),
            "{:?}",
            job.counts
        );
    }
}
