//! Receivers that do not work for days, and what others are told of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postrider_application::announce::News;
use postrider_application::ingest::{IngestError, Publication};
use postrider_application::ports::QueueName;
use postrider_application::stores::PageRequest;
use postrider_application::stores::event_lists::EventFilter;
use postrider_domain::event::Audience;
use postrider_domain::{DeliveryStatus, EndpointStatus, Outcome};

use crate::world::World;

/// How many events of Postrider's own there were of a kind.
async fn told(world: &World, news: News) -> usize {
    let filter =
        EventFilter { event_type: Some(news.event_type().parse().unwrap()), ..EventFilter::default() };
    let page = PageRequest { limit: 100, after: None };
    world.events.list(&world.tenant, &filter, page).await.unwrap().items.len()
}

#[tokio::test]
async fn five_days_of_failures_disable_an_endpoint_after_three_warnings() {
    let world = World::new();
    let endpoint = world.endpoint("order.*").await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    let mut hours = 0;
    while world.endpoints.get(&world.tenant, endpoint).await.unwrap().unwrap().endpoint.status
        == EndpointStatus::Active
    {
        world.publish_many(hours..hours + 1).await;
        world.live(2).await;
        world.clock.forward(Duration::from_secs(58 * 60));
        hours += 1;
        assert!(hours < 200);
    }
    assert!((120..130).contains(&hours), "{hours}");
    assert_eq!(told(&world, News::EndpointWarning).await, 3);
    assert_eq!(told(&world, News::EndpointDisabled).await, 1);
    assert_eq!(told(&world, News::CircuitOpened).await, 1);
    let record = world.endpoints.get(&world.tenant, endpoint).await.unwrap().unwrap();
    assert!(record.endpoint.status_reason.unwrap().contains("5 days"));
    // Nobody looks after it any more, and nothing is lost.
    world.live(3).await;
    assert_eq!(world.circuit(endpoint).await.check_at, None);
    world.publish_many(900..910).await;
    world.live(3).await;
    let parked = world.count(endpoint, DeliveryStatus::Parked).await;
    assert!(parked >= 10);

    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.live(3).await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, 0);
    assert!(world.count(endpoint, DeliveryStatus::Delivered).await >= parked);
}

#[tokio::test]
async fn what_happens_to_an_endpoint_is_told_to_others_that_ask_for_it() {
    let world = World::new();
    let broken = world.endpoint("order.*").await;
    let everything = world.endpoint("*").await;
    let told_of = world.endpoint("postrider.*").await;
    let own = world.endpoint("postrider.endpoint.*").await;
    world.status.set(&world.tenant, broken, EndpointStatus::Disabled).await.unwrap();
    world.status.set(&world.tenant, broken, EndpointStatus::Disabled).await.unwrap();
    world.settle().await;
    assert_eq!(told(&world, News::EndpointDisabled).await, 1, "asked for twice, told once");
    assert_eq!(world.channel.calls().len(), 2);
    assert_eq!(world.count(everything, DeliveryStatus::Delivered).await, 0);
    assert_eq!(world.count(told_of, DeliveryStatus::Delivered).await, 1);
    world.status.set(&world.tenant, own, EndpointStatus::Disabled).await.unwrap();
    world.settle().await;
    assert_eq!(world.count(own, DeliveryStatus::Delivered).await, 1, "not of itself");
    assert_eq!(world.count(own, DeliveryStatus::Parked).await, 0);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_of_once() {
    let world = World::new();
    world.endpoint("*").await;
    world.channel.answer(&[Outcome::Gone]);
    world.publish_many(0..1).await;
    let messages = world.queue.take(crate::world::WEBHOOK);
    world.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.deal(crate::world::WEBHOOK, &messages, 1).await, 1);
    world.queue.is_down.store(false, Ordering::SeqCst);
    world.deal(crate::world::WEBHOOK, &messages, 2).await;
    let events = world.queue.take(QueueName::Events);
    assert_eq!(events.len(), 1);
    assert!(events[0].body.text().contains("410"));
    assert_eq!(told(&world, News::EndpointDisabled).await, 1);
}

#[tokio::test]
async fn nobody_else_publishes_such_events() {
    let world = World::new();
    let publication = Publication {
        event_id: None,
        event_type: "postrider.endpoint.disabled".parse().unwrap(),
        data: "{}".parse().unwrap(),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    };
    let refused = world.ingest.accept(&world.tenant, publication.clone()).await;
    assert!(matches!(refused, Err(IngestError::Invalid(problems)) if problems[0].field == "type"));
    assert!(world.ingest.accept_test(&world.tenant, publication).await.is_ok());
}
