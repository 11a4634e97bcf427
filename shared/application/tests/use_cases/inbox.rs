//! Events that come by queue or bus, for tenants that they name.

use postrider_application::inbox::{Inbox, InboxError};
use postrider_application::ingest::{IngestError, Publication};
use postrider_application::stores::tenants::Tenant;
use postrider_domain::event::Audience;
use postrider_domain::{TenantId, Timestamp};

use crate::world::World;

fn publication(id: &str, data: &'static str) -> Publication {
    Publication {
        event_id: Some(id.parse().unwrap()),
        event_type: "a.b".parse().unwrap(),
        data: data.parse().unwrap(),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: Vec::new(),
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    }
}

#[tokio::test]
async fn each_event_goes_to_its_tenant_and_the_answers_keep_their_order() {
    let world = World::new();
    let other: TenantId = "other".parse().unwrap();
    for id in [&world.tenant, &other] {
        let tenant = Tenant {
            id: id.clone(),
            name: id.to_string(),
            publish_limit: None,
            created_at: Timestamp::default(),
            version: 0,
        };
        world.tenants.create(&tenant).await.unwrap();
    }
    let nobody: TenantId = "nobody".parse().unwrap();
    let endpoint = world.endpoint("*").await;
    let inbox = Inbox::new(world.tenants.clone(), world.ingest.clone(), world.clock.clone());
    let events = vec![
        (world.tenant.clone(), publication("e1", "1")),
        (nobody, publication("e2", "2")),
        (other, publication("e1", "3")),
        (world.tenant.clone(), publication("e1", "4")),
        (world.tenant.clone(), publication("e5", "5")),
    ];
    let results = inbox.accept(events).await;
    let ids: Vec<_> =
        results.iter().map(|result| result.as_ref().ok().map(|a| a.event_id.as_str())).collect();
    assert_eq!(ids, [Some("e1"), None, Some("e1"), None, Some("e5")]);
    assert!(matches!(&results[1], Err(InboxError::UnknownTenant(tenant)) if tenant.as_str() == "nobody"));
    assert!(matches!(&results[3], Err(InboxError::Ingest(IngestError::Conflict(_)))));
    world.settle().await;
    let mut calls = world.channel.calls();
    calls.sort();
    assert_eq!(calls, ["e1", "e5"], "the endpoint {endpoint} belongs to one of the tenants");
}
