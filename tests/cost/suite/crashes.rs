//! Calls to table and queues that fail, and workers that die, at every point in the life of an event: nothing is
//! lost, and no receiver is called again unless it could not be avoided.
//!
//! A second call cannot be avoided where the first was made and its record did not reach the table. So a receiver
//! is called once, and once more for each record of an attempt at its delivery that was lost.

use std::collections::HashMap;

use postrider_application::ingest::Accepted;
use postrider_application::ports::QueueName;
use postrider_application::ports::table::Value;
use postrider_application::stores::PageRequest;
use postrider_application::stores::dead_letters::DeadLetterFilter;
use postrider_cost::World;
use postrider_domain::{DeliveryStatus, EndpointId};
use postrider_testkit::faults::Fault;

/// Where faults strike.
#[derive(Clone, Copy)]
enum Struck {
    /// From publishing to the last record.
    Everything,
    /// In fan-out, until it is done.
    FanOut,
}

/// Publishes an event for these endpoints with a fault at a call, and deals with everything. Answers the number of
/// calls until the end, for a fault that never strikes.
async fn run(endpoints: usize, struck: Struck, call: u64, fault: Fault) -> u64 {
    let mut world = World::new();
    let ids = world.add_endpoints(endpoints).await;
    if matches!(struck, Struck::Everything) {
        world.plan.strike_at(call, fault);
    }
    let accepted = loop {
        let mut published = world.publish(&[Some("order-1")]).await;
        match published.pop().unwrap() {
            Ok(accepted) => break accepted,
            // The publisher does what every publisher should: it tries again.
            Err(_) => {
                world.plan.recover();
                world.restart();
            }
        }
    };
    if matches!(struck, Struck::FanOut) {
        world.plan.strike_at(call, fault);
        // Until a batch fails, or there are no more.
        while let (1.., 0) = world.run_batch(QueueName::Events).await {}
        let calls = world.plan.calls();
        world.plan.recover();
        world.restart();
        world.settle().await;
        check(&world, &accepted, &ids, &format!("{fault:?} at call {call} of fan-out")).await;
        return calls;
    }
    world.settle().await;
    let calls = world.plan.calls();
    check(&world, &accepted, &ids, &format!("{fault:?} at call {call}")).await;
    calls
}

async fn check(world: &World, accepted: &Accepted, ids: &[EndpointId], what: &str) {
    for id in ids {
        let delivery = world.delivery(accepted, *id).await.unwrap_or_else(|| panic!("{what}: {id} is lost"));
        assert_eq!(delivery.status, DeliveryStatus::Delivered, "{what}: {id}");
        assert_eq!(delivery.attempt_count, 1, "{what}: {id}");
    }
    let page = PageRequest { limit: 10, after: None };
    let letters = world.dead_letters.list(&world.tenant, &DeadLetterFilter::default(), page).await.unwrap();
    assert!(letters.items.is_empty(), "{what}: {letters:?}");
    let mut lost_records: HashMap<String, usize> = HashMap::new();
    for item in world.table.lost_puts().iter().filter(|item| item.contains("attempts")) {
        let Some(Value::S(pk)) = item.get("pk") else { panic!("no key") };
        *lost_records.entry(pk.to_owned()).or_default() += 1;
    }
    let lost =
        |id: &EndpointId| lost_records.get(&format!("T#{}#D#{id}", world.tenant)).copied().unwrap_or(0);
    let mut expected: Vec<usize> = ids.iter().map(|id| 1 + lost(id)).collect();
    let mut calls: Vec<usize> = world.receivers.calls().into_values().collect();
    calls.sort_unstable();
    expected.sort_unstable();
    assert_eq!(calls, expected, "{what}: calls of the receivers");
}

#[tokio::test]
async fn a_fault_at_any_call_loses_nothing_and_repeats_only_what_is_not_on_record() {
    let calls = run(3, Struck::Everything, u64::MAX, Fault::ErrorBefore).await;
    assert!(calls > 10, "{calls}");
    for fault in Fault::ALL {
        for call in 1..=calls {
            run(3, Struck::Everything, call, fault).await;
        }
    }
}

#[tokio::test]
async fn a_fault_anywhere_in_a_fan_out_of_several_parts_calls_every_receiver_once() {
    let endpoints = 600;
    let calls = run(endpoints, Struck::FanOut, u64::MAX, Fault::ErrorBefore).await;
    assert!(calls > 600, "{calls}");
    // Every 53rd call, and those around the end of the first part, where messages and continuation go out.
    let sampled = (1..=calls).step_by(53).chain(250..262);
    for (index, call) in sampled.enumerate() {
        run(endpoints, Struck::FanOut, call, Fault::ALL[index % Fault::ALL.len()]).await;
    }
}

/// One call in twenty fails, all the time.
#[tokio::test]
async fn random_faults_lose_nothing() {
    for seed in 0..100 {
        let mut world = World::new();
        let ids = world.add_endpoints(4).await;
        world.plan.strike_at_random(seed, 20);
        let accepted = loop {
            if let Ok(accepted) = world.publish(&[Some("order-1")]).await.pop().unwrap() {
                break accepted;
            }
        };
        world.settle_among_faults().await;
        check(&world, &accepted, &ids, &format!("seed {seed}")).await;
    }
}
