//! What counting an hour takes, whichever way its deliveries are spread: at most a read unit for two of them. Prints it.

use std::time::{Duration, Instant};

use postrider_application::ports::{Clock as _, QueueName};
use postrider_application::query::Lookup;
use postrider_application::reconcile::Reconcile;
use postrider_application::stores::reconciliations::HourFilter;
use postrider_application::stores::tenants::Tenant;
use postrider_application::stores::{Deliveries, Endpoints, Events, PageRequest, Tenants};
use postrider_cost::World;
use postrider_cost::world::WEBHOOK;
use postrider_domain::Hour;
use postrider_domain::reconciliation::{Counts, ReconciliationState};
use postrider_embedded::MemoryBlobs;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts an hour with so many events, each to so many endpoints. Answers a line of figures.
async fn count(events: usize, endpoints: usize) -> String {
    let world = World::new();
    let tenants = Tenants::new(world.table.clone());
    let created_at = world.clock.now();
    let id = world.tenant.clone();
    tenants
        .create(&Tenant { id, name: "Acme".to_owned(), publish_limit: None, created_at, version: 0 })
        .await
        .unwrap();
    let (stored, deliveries) = (Events::new(world.table.clone()), Deliveries::new(world.table.clone()));
    let reconcile = Reconcile::new(
        stored.clone(),
        deliveries.clone(),
        tenants,
        world.queues.clone(),
        world.clock.clone(),
    );
    reconcile.run(MINUTE).await.unwrap();
    world.clock.forward_to(Hour::of(created_at).next().begins_at());
    world.add_endpoints(endpoints).await;
    for portion in vec![None; events].chunks(100) {
        assert!(world.publish(portion).await.iter().all(Result::is_ok));
        world.clock.forward(Duration::from_secs(30));
    }
    world.work_off(QueueName::Events).await;
    world.work_off(WEBHOOK).await;
    world.clock.forward_to(Hour::of(created_at).next().settled_at());
    world.meter.reset();
    let started = Instant::now();
    let run = reconcile.run(MINUTE).await.unwrap();
    let took = started.elapsed();
    let bill = world.meter.table();
    let count = (events * endpoints) as u64;
    let figures = format!(
        "{events:>6} {endpoints:>9} {:>6} {:>10} {:>6} {:>6} ms",
        bill.reads(),
        bill.read_units(),
        bill.write_units,
        took.as_millis()
    );
    assert_eq!((run.looked_at, run.repaired), (1, 0));
    let lookup = Lookup::new(
        Endpoints::new(world.table.clone()),
        stored,
        deliveries,
        std::sync::Arc::new(MemoryBlobs::default()),
    );
    let page = PageRequest { limit: 2, after: None };
    let hours = lookup.reconciliations(&world.tenant, &HourFilter::default(), page).await.unwrap().items;
    let counts = Counts { accepted: events as u64, matched: count, delivered: count, ..Counts::default() };
    assert_eq!((hours[0].state, hours[0].counts), (ReconciliationState::Balanced, counts));
    assert!(bill.read_units() <= 100.0 + count as f64 / 2.0, "{}", bill.read_units());
    assert!(bill.write_units <= 20 + count / 1_000, "{}", bill.write_units);
    figures
}

#[tokio::test]
async fn counting_an_hour_takes_few_reads_at_any_number_of_endpoints() {
    println!(
        "{:>6} {:>9} {:>6} {:>10} {:>6} {:>9}",
        "events", "endpoints", "reads", "read units", "writes", "time"
    );
    for (events, endpoints) in [(1, 1), (1_000, 1), (1_000, 10), (10, 1_000), (1, 10_000)] {
        println!("{}", count(events, endpoints).await);
    }
}
