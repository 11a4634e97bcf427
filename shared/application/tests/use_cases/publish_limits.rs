//! How many events a tenant may publish, by whichever way.

use std::sync::Arc;
use std::time::Duration;

use postrider_application::inbox::Inbox;
use postrider_application::ingest::IngestError;
use postrider_application::ports::QueueName;
use postrider_application::publish_limits::PublishLimits;
use postrider_application::stores::tenants::Tenant;
use postrider_application::system::SystemEntropy;
use postrider_domain::{RateLimit, Timestamp};

use crate::world::{World, publication};

async fn limited() -> (World, PublishLimits) {
    let world = World::new();
    let tenant = Tenant {
        id: world.tenant.clone(),
        name: "Acme".to_owned(),
        publish_limit: Some(RateLimit { per_second: 2.0, burst: 5 }),
        created_at: Timestamp::default(),
        version: 0,
    };
    world.tenants.create(&tenant).await.unwrap();
    let limits = PublishLimits::new(world.tenants.clone(), world.clock.clone(), Arc::new(SystemEntropy));
    (world, limits)
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_there_is_room() {
    let (world, limits) = limited().await;
    let ingest = world.ingest.clone().limited(Arc::new(limits));
    let publish = async |count: usize| {
        let publications = (0..count).map(|_| publication(None, "{}")).collect();
        ingest.accept_batch(&world.tenant, publications).await
    };
    let results = publish(8).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5);
    for refused in &results[5..] {
        let wait = match refused {
            Err(IngestError::RateLimited { retry_after }) => *retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait, Duration::from_secs(1));
    }
    assert_eq!(world.queue.take(QueueName::Events).len(), 5);
    world.clock.forward(Duration::from_secs(1));
    assert_eq!(publish(8).await.iter().filter(|result| result.is_ok()).count(), 2);
}

#[tokio::test]
async fn who_cannot_be_told_is_accepted_and_matched_later() {
    let (world, limits) = limited().await;
    let ingest = world.ingest.clone().limited(Arc::new(limits));
    let inbox = Inbox::new(world.tenants.clone(), ingest.clone().patient(), world.clock.clone());
    let events =
        (0..2_000).map(|number| (world.tenant.clone(), publication(Some(&format!("e{number:04}")), "{}")));
    let results = inbox.accept(events.collect()).await;
    // 15 minutes' worth; the rest comes again.
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(accepted, 5 + 1_800);
    let messages = world.queue.take(QueueName::Events);
    let within = |seconds| messages.iter().filter(|m| m.delay <= Duration::from_secs(seconds)).count();
    assert_eq!((within(0), within(10), within(900)), (5, 25, accepted));
    // Meanwhile all that may be published is spoken for.
    let now = ingest.accept(&world.tenant, publication(None, "{}")).await;
    assert!(matches!(now, Err(IngestError::RateLimited { .. })));
}
