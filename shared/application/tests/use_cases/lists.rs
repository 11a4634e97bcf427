//! Lists page through everything exactly once, newest first, whatever the ids and filters are.

use std::time::Duration;

use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_application::stores::event_lists::EventFilter;
use postrider_application::stores::{PageRequest, Paged};
use postrider_domain::{DeliveryStatus, EndpointStatus, Outcome};

use crate::world::World;

/// Follows a list to its end.
async fn follow<T, F: Future<Output = Paged<T>>>(limit: usize, page: impl Fn(PageRequest) -> F) -> Vec<T> {
    let (mut rows, mut after) = (Vec::new(), None);
    for _ in 0..1000 {
        let paged = page(PageRequest { limit, after }).await;
        assert!(paged.items.len() <= limit);
        rows.extend(paged.items);
        match paged.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
    panic!("the list never ends");
}

#[tokio::test]
async fn events_under_own_and_publishers_ids_are_one_list() {
    let world = World::new();
    let mut published = Vec::new();
    for number in 0..60 {
        world.clock.forward(Duration::from_millis(3));
        let id = format!("{number}");
        let accepted = world.publish((number % 2 == 0).then_some(&*id), "{}").await.unwrap();
        published.push(accepted);
    }
    published.reverse();
    let all: Vec<_> = published.iter().map(|accepted| accepted.event_id.clone()).collect();
    for limit in [1, 7, 60, 100] {
        let list =
            |page| async { world.events.list(&world.tenant, &EventFilter::default(), page).await.unwrap() };
        let rows = follow(limit, list).await;
        let ids: Vec<_> = rows.into_iter().map(|stored| stored.event.id).collect();
        assert_eq!(ids, all, "limit {limit}");
    }
    let filter = EventFilter {
        event_type: None,
        since: Some(published[39].accepted_at),
        until: Some(published[9].accepted_at),
    };
    let rows =
        follow(7, |page| async { world.events.list(&world.tenant, &filter, page).await.unwrap() }).await;
    let ids: Vec<_> = rows.into_iter().map(|stored| stored.event.id).collect();
    assert_eq!(ids, all[10..40]);
    let none = EventFilter { event_type: Some("other".parse().unwrap()), ..EventFilter::default() };
    assert!(
        follow(50, |page| async { world.events.list(&world.tenant, &none, page).await.unwrap() })
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn deliveries_of_several_endpoints_are_one_list() {
    let world = World::new();
    let mut endpoints = Vec::new();
    for _ in 0..5 {
        world.clock.forward(Duration::from_millis(1));
        endpoints.push(world.endpoint("*").await);
    }
    world.status.set(&world.tenant, endpoints[0], EndpointStatus::Paused).await.unwrap();
    for number in 0..20 {
        world.clock.forward(Duration::from_millis(number % 3));
        world.publish(None, "{}").await.unwrap();
        if number % 4 == 0 {
            world.channel.answer(&[Outcome::Rejected]);
        }
        world.settle().await;
    }
    for limit in [1, 3, 50, 100] {
        let everything = DeliveryFilter::default();
        let list = |page| async {
            world.deliveries.list(&world.tenant, &endpoints, &everything, page).await.unwrap()
        };
        let rows = follow(limit, list).await;
        assert_eq!(rows.len(), 100, "limit {limit}");
        assert!(rows.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first, each once");
        let list =
            |page| async { world.deliveries.list_open(&world.tenant, &everything, page).await.unwrap() };
        let open = follow(limit, list).await;
        assert_eq!(open.len(), 25, "limit {limit}");
        for (status, count) in
            [(DeliveryStatus::Parked, 20), (DeliveryStatus::Failed, 5), (DeliveryStatus::Delivered, 75)]
        {
            let filter = DeliveryFilter { status: Some(status), ..DeliveryFilter::default() };
            let list = |page| async {
                world.deliveries.list(&world.tenant, &endpoints, &filter, page).await.unwrap()
            };
            assert_eq!(follow(limit, list).await.len(), count, "{status}, limit {limit}");
        }
    }
}
