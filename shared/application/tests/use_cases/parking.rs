//! Deliveries for an endpoint that does not take any wait and lose nothing.

use std::time::Duration;

use postrider_application::endpoints::EndpointError;
use postrider_application::stores::PageRequest;
use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_domain::{DeliveryStatus, EndpointStatus};

use crate::world::World;

#[tokio::test]
async fn deliveries_are_parked_and_all_of_them_go_on_in_order() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    for number in 0..250 {
        world.clock.forward(Duration::from_millis(1));
        world.publish(Some(&format!("e{number:03}")), "{}").await.unwrap();
    }
    world.settle().await;
    assert!(world.channel.calls().is_empty());
    let parked = DeliveryFilter { status: Some(DeliveryStatus::Parked), ..DeliveryFilter::default() };
    let page = PageRequest { limit: 100, after: None };
    let list = world.deliveries.list_open(&world.tenant, &parked, page).await.unwrap();
    assert_eq!(list.items.len(), 100);
    assert_eq!(list.items[0].error.as_deref(), Some("the endpoint is paused"));
    assert_eq!(list.items[0].max_attempts, 5);

    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    // Those in one batch are attempted at the same time, in no order.
    world.settle_by(1).await;
    let expected: Vec<_> = (0..250).map(|number| format!("e{number:03}")).collect();
    assert_eq!(world.channel.calls(), expected);
    let left = world
        .deliveries
        .list_open(&world.tenant, &DeliveryFilter::default(), PageRequest { limit: 100, after: None })
        .await
        .unwrap();
    assert!(left.items.is_empty());
}

#[tokio::test]
async fn a_release_that_meets_a_paused_endpoint_stops() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Disabled).await.unwrap();
    world.publish(Some("e1"), "{}").await.unwrap();
    world.settle().await;
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
    world.settle().await;
    assert!(world.channel.calls().is_empty());
    // Resumed twice, everything still arrives once.
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.status.set(&world.tenant, endpoint, EndpointStatus::Active).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls(), ["e1"]);
}

#[tokio::test]
async fn deliveries_of_a_deleted_endpoint_are_cancelled() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let accepted = world.publish(None, "{}").await.unwrap();
    let messages = world.queue.take(postrider_application::ports::QueueName::Events);
    world.deal(postrider_application::ports::QueueName::Events, &messages, 1).await;
    world.manage.delete(&world.tenant, endpoint).await.unwrap();
    world.settle().await;
    assert!(world.channel.calls().is_empty());
    let delivery = world.delivery(&accepted, endpoint).await;
    assert_eq!(delivery.status, DeliveryStatus::Cancelled);
    let again = world.manage.delete(&world.tenant, endpoint).await;
    assert!(matches!(again, Err(EndpointError::Unknown(_))));
}
