//! A world in which hours are counted.

use std::sync::Arc;
use std::time::Duration;

use postrider_application::announce::News;
use postrider_application::endpoints::Changes;
use postrider_application::ports::Clock;
use postrider_application::reconcile::{Reconcile, Reconciled};
use postrider_application::stores::PageRequest;
use postrider_application::stores::event_lists::EventFilter;
use postrider_application::stores::reconciliations::HourFilter;
use postrider_application::stores::tenants::Tenant;
use postrider_domain::reconciliation::Counts;
use postrider_domain::{EndpointId, Hour, Reconciliation, Timestamp};
use postrider_testkit::faults::FaultyQueue;

use crate::world::World;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// A world in which hours are counted.
pub(crate) struct Counted {
    pub(crate) world: World,
    pub(crate) reconcile: Reconcile,
}

impl Counted {
    /// At the beginning of an hour that will be counted.
    pub(crate) async fn new() -> Self {
        let world = World::new();
        let id = world.tenant.clone();
        let created_at = world.clock.now();
        let tenant = Tenant { id, name: "Acme".to_owned(), publish_limit: None, created_at, version: 0 };
        world.tenants.create(&tenant).await.unwrap();
        let counted = Self { reconcile: reconcile(&world, world.clock.clone()), world };
        assert_eq!(counted.run().await, Reconciled::default());
        counted.forward_to(Hour::of(created_at).next().begins_at());
        counted
    }

    /// The same with an ordered endpoint that gets everything.
    pub(crate) async fn in_order() -> (Self, EndpointId) {
        let counted = Self::new().await;
        let world = &counted.world;
        let endpoint = world.endpoint("*").await;
        let changes = Changes { in_order: Some(true), ..Changes::default() };
        world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
        world.clock.forward(MINUTE);
        (counted, endpoint)
    }

    /// The last hour when it was looked at a day later, what was sent then was dealt with, and it was looked at once more.
    pub(crate) async fn a_day_and_another_later(&self) -> Reconciliation {
        self.world.clock.forward(24 * HOUR);
        self.run().await;
        self.world.settle().await;
        self.world.clock.forward(24 * HOUR);
        self.run().await;
        self.hours().await.pop().unwrap()
    }

    pub(crate) fn forward_to(&self, at: Timestamp) {
        self.world.clock.forward(at.since(self.world.clock.now()));
    }

    /// Lets time pass until the present hour can be counted.
    pub(crate) fn end_hour(&self) {
        self.forward_to(Hour::of(self.world.clock.now()).settled_at());
    }

    pub(crate) async fn run(&self) -> Reconciled {
        let run = self.reconcile.run(MINUTE).await.unwrap();
        assert_eq!((run.failed, run.unfinished), (0, false));
        run
    }

    pub(crate) async fn hours(&self) -> Vec<Reconciliation> {
        let page = PageRequest { limit: 100, after: None };
        let (tenant, filter) = (&self.world.tenant, HourFilter::default());
        self.world.lookup.reconciliations(tenant, &filter, page).await.unwrap().items
    }

    /// The hour that is counted, the only one.
    pub(crate) async fn hour(&self) -> Reconciliation {
        let mut hours = self.hours().await;
        assert_eq!(hours.len(), 1);
        hours.remove(0)
    }

    /// How often somebody was told that something is missing.
    pub(crate) async fn told(&self) -> usize {
        let event_type = Some(News::ReconciliationGap.event_type().parse().unwrap());
        let filter = EventFilter { event_type, ..EventFilter::default() };
        let page = PageRequest { limit: 100, after: None };
        self.world.events.list(&self.world.tenant, &filter, page).await.unwrap().items.len()
    }

    pub(crate) async fn publish(&self, id: &str) -> postrider_application::ingest::Accepted {
        self.world.publish(Some(id), "{}").await.unwrap()
    }
}

/// A reconciliation over the stores of a world, which fail by its plan.
pub(crate) fn reconcile(world: &World, clock: Arc<dyn Clock>) -> Reconcile {
    let queue = Arc::new(FaultyQueue::new(world.queue.clone(), world.plan.clone()));
    Reconcile::new(world.events.clone(), world.deliveries.clone(), world.tenants.clone(), queue, clock)
}

/// How an hour stands in which so many events were accepted, with a delivery of each that is delivered.
pub(crate) fn delivered(events: u64) -> Counts {
    Counts { accepted: events, matched: events, delivered: events, ..Counts::default() }
}
