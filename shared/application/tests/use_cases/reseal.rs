//! Another master key: everything is sealed again, whatever happens meanwhile, and the former key can go.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use postrider_application::endpoints::{Rotation, SecretsError};
use postrider_application::ports::Clock as _;
use postrider_application::reseal::{Portion, SETTLING};
use postrider_application::sealing::OpenError;
use postrider_application::stores::endpoint_item::EndpointRecord;
use postrider_domain::{EndpointId, TenantId};
use postrider_testkit::faults::Fault;
use serde_json::json;

use crate::sealed::{Sealed, Worker};

const MINUTE: Duration = Duration::from_secs(60);

/// Every endpoint of some tenants, with what its secrets are.
async fn all(world: &Sealed, worker: &Worker, tenants: &[TenantId]) -> BTreeMap<EndpointId, (u64, String)> {
    let mut found = BTreeMap::new();
    for tenant in tenants {
        for record in world.endpoints.all(tenant).await.unwrap() {
            let secrets = worker.secrets.open(&record).await.unwrap();
            let keys: Vec<_> = secrets.signing.keys().iter().map(|key| key.key.reveal()).collect();
            let text = format!("{} {}", secrets.config, keys.join(" "));
            found.insert(record.endpoint.id, (record.endpoint.version, text));
        }
    }
    found
}

/// A world with some endpoints of three tenants, one of which has none.
async fn with_endpoints(count: usize) -> (Sealed, Worker, Vec<TenantId>) {
    let world = Sealed::new().await;
    let worker = world.worker();
    let mut tenants = vec![world.tenant.clone()];
    for id in ["empty", "other"] {
        tenants.push(world.add_tenant(id).await);
    }
    for number in 0..count {
        let tenant = if number % 4 == 3 { &tenants[2] } else { &tenants[0] };
        worker.create(tenant, json!({"token": format!("token-{number}")})).await;
    }
    (world, worker, tenants)
}

async fn begin(world: &Sealed, worker: &Worker) {
    worker.reseal.start().await.unwrap();
    world.clock.forward(SETTLING);
}

/// A worker that knows the new key only.
fn without_former(world: &Sealed) -> Worker {
    world.safe.set(&[2]);
    world.worker()
}

#[tokio::test]
async fn everything_opens_without_the_former_key_when_it_is_over() {
    let (world, worker, tenants) = with_endpoints(100).await;
    let before = all(&world, &worker, &tenants).await;
    let versions = join_all(tenants.iter().map(|tenant| world.endpoints.version(tenant))).await;
    assert_eq!(worker.reseal.status().await.unwrap().word(world.clock.now()), "none");
    world.safe.set(&[2, 1]);
    let started = worker.reseal.start().await.unwrap();
    assert_eq!(started.word(world.clock.now()), "settling");
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion::default());
    world.clock.forward(SETTLING);
    assert_eq!(worker.reseal.status().await.unwrap().word(world.clock.now()), "running");
    let again = worker.reseal.start().await.unwrap();
    assert_eq!(again.job, started.job, "asked for twice, it is the same run");
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion { resealed: 100, finished: true });
    let status = worker.reseal.status().await.unwrap();
    assert_eq!(status.word(world.clock.now()), "done");
    let job = status.job.unwrap();
    assert_eq!((job.examined, job.resealed, job.failed), (100, 100, 0));
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion::default());

    let after = all(&world, &without_former(&world), &tenants).await;
    assert_eq!(after, before, "neither contents nor versions changed");
    let versions_after = join_all(tenants.iter().map(|tenant| world.endpoints.version(tenant))).await;
    for (before, after) in versions.into_iter().zip(versions_after) {
        assert_eq!(before.unwrap(), after.unwrap(), "nobody has to read subscriptions again");
    }
}

#[tokio::test]
async fn a_run_ends_when_its_time_is_up_and_the_next_one_goes_on() {
    let (world, worker, tenants) = with_endpoints(80).await;
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    let mut portions = Vec::new();
    for _ in 0..10 {
        let clock = world.clock.clone();
        world.before_next_write(move || async move { clock.forward(MINUTE) });
        // Each by another instance.
        portions.push(world.worker().reseal.run(MINUTE).await.unwrap());
        if portions.last().is_some_and(|portion| portion.finished) {
            break;
        }
    }
    let resealed: Vec<_> = portions.iter().map(|portion| portion.resealed).collect();
    assert_eq!(resealed.iter().sum::<u64>(), 80);
    assert!(resealed.len() > 3 && resealed.iter().all(|portion| *portion <= 25), "{resealed:?}");
    assert!(portions.last().unwrap().finished);
    all(&world, &without_former(&world), &tenants).await;
}

#[tokio::test]
async fn a_crash_anywhere_is_made_up_for() {
    for fault in Fault::ALL {
        for call in 1.. {
            let (world, worker, tenants) = with_endpoints(8).await;
            let before = all(&world, &worker, &tenants).await;
            world.safe.set(&[2, 1]);
            begin(&world, &worker).await;
            world.faults.strike_at(call, fault);
            let first = worker.reseal.run(MINUTE).await;
            let reached = world.faults.calls() >= call;
            world.faults.recover();
            let second = world.worker().reseal.run(MINUTE).await.unwrap();
            let finished = second.finished || first.is_ok_and(|portion| portion.finished);
            let status = worker.reseal.status().await.unwrap();
            assert!(finished || status.word(world.clock.now()) == "done", "{fault:?} at {call}");
            assert_eq!(status.word(world.clock.now()), "done", "{fault:?} at {call}");
            assert_eq!(all(&world, &without_former(&world), &tenants).await, before, "{fault:?} at {call}");
            if !reached {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_change_at_the_same_time_is_not_lost_and_ends_up_under_the_new_key() {
    let (world, worker, tenants) = with_endpoints(1).await;
    let id = world.endpoints.all(&world.tenant).await.unwrap()[0].endpoint.id;
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    let (other, tenant) = (worker.clone(), world.tenant.clone());
    world.before_next_write(move || async move {
        let rotation = Rotation { kind: None, key: None, overlap: MINUTE };
        other.manage.rotate(&tenant, id, rotation).await.unwrap();
    });
    assert!(worker.reseal.run(MINUTE).await.unwrap().finished);
    let found = all(&world, &without_former(&world), &tenants).await;
    assert_eq!(found[&id].1.matches("whsec_").count(), 2);
}

/// A pause writes the seal that it has read: it must not put a former one back.
#[tokio::test]
async fn whoever_read_before_cannot_put_the_former_seal_back() {
    let (world, worker, _) = with_endpoints(1).await;
    let read: EndpointRecord = world.endpoints.all(&world.tenant).await.unwrap().remove(0);
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    worker.reseal.run(MINUTE).await.unwrap();
    let mut after = read.clone();
    after.endpoint.version += 1;
    assert!(world.endpoints.replace(&read, &after).await.is_err());
    assert!(world.endpoints.delete(&read).await.is_err());
    let now = world.endpoints.all(&world.tenant).await.unwrap().remove(0);
    after.sealed.clone_from(&now.sealed);
    world.endpoints.replace(&now, &after).await.unwrap();
    assert!(world.endpoints.reseal(&now, b"another seal").await.is_err(), "nor the other way round");
    assert!(without_former(&world).secrets.open(&after).await.is_ok());
}

#[tokio::test]
async fn a_worker_that_remembers_the_former_key_cannot_leave_anything_behind() {
    let (world, worker, tenants) = with_endpoints(2).await;
    let late = world.worker();
    let id = world.endpoints.all(&world.tenant).await.unwrap()[0].endpoint.id;
    late.rename(&world.tenant, id, "knows the first key now").await;
    world.safe.set(&[2, 1]);
    worker.reseal.start().await.unwrap();
    world.clock.forward(Duration::from_secs(299));
    worker.reseal.run(MINUTE).await.unwrap();
    late.rename(&world.tenant, id, "sealed with the first key").await;
    world.clock.forward(SETTLING - Duration::from_secs(299));
    assert!(worker.reseal.run(MINUTE).await.unwrap().finished);
    late.rename(&world.tenant, id, "sealed with the second key").await;
    all(&world, &without_former(&world), &tenants).await;
}

#[tokio::test]
async fn a_worker_that_does_not_know_the_key_of_a_seal_asks_once_more() {
    let (world, worker, _) = with_endpoints(1).await;
    let late = world.worker();
    let open = async |worker: &Worker| {
        let record = world.endpoints.all(&world.tenant).await.unwrap().remove(0);
        worker.secrets.open(&record).await
    };
    open(&late).await.unwrap();
    world.safe.set(&[2, 1]);
    let id = world.endpoints.all(&world.tenant).await.unwrap()[0].endpoint.id;
    world.worker().rename(&world.tenant, id, "sealed with the second key").await;
    let asked = || world.safe.asked.swap(0, Ordering::SeqCst);
    asked();
    open(&late).await.unwrap();
    assert_eq!(asked(), 1);
    open(&late).await.unwrap();
    assert_eq!(asked(), 0, "it is known now");
    // A key that is gone is gone.
    world.safe.set(&[1]);
    let error = open(&world.worker()).await.err().unwrap();
    assert!(matches!(error, SecretsError::Seal(OpenError::OtherKey)), "{error}");
    assert_eq!(asked(), 2);
    drop(worker);
}

#[tokio::test]
async fn yet_another_key_begins_the_run_again() {
    let (world, worker, tenants) = with_endpoints(4).await;
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    world.safe.set(&[3, 2, 1]);
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion::default());
    let status = worker.reseal.status().await.unwrap();
    assert_eq!(status.word(world.clock.now()), "settling");
    assert_eq!(status.job.unwrap().key_id, status.current.to_string());
    world.clock.forward(SETTLING);
    assert!(worker.reseal.run(MINUTE).await.unwrap().finished);
    world.safe.set(&[3]);
    all(&world, &world.worker(), &tenants).await;
    world.safe.set(&[4, 3]);
    assert_eq!(worker.reseal.status().await.unwrap().word(world.clock.now()), "outdated");
}

#[tokio::test]
async fn what_no_key_opens_is_named_and_the_rest_goes_on() {
    let (world, worker, _) = with_endpoints(3).await;
    world.safe.set(&[9]);
    let lost = world.worker().create(&world.tenant, json!({})).await;
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion { resealed: 3, finished: true });
    let status = worker.reseal.status().await.unwrap();
    assert_eq!(status.word(world.clock.now()), "incomplete");
    let job = status.job.unwrap();
    assert_eq!((job.failed, job.failures[0].endpoint), (1, lost));
    // With its key back, a run makes it good.
    world.safe.set(&[2, 1, 9]);
    begin(&world, &worker).await;
    assert_eq!(worker.reseal.run(MINUTE).await.unwrap(), Portion { resealed: 1, finished: true });
    assert_eq!(worker.reseal.status().await.unwrap().word(world.clock.now()), "done");
}

#[tokio::test]
async fn two_runs_at_the_same_time_do_no_harm() {
    let (world, worker, tenants) = with_endpoints(60).await;
    let before = all(&world, &worker, &tenants).await;
    world.safe.set(&[2, 1]);
    begin(&world, &worker).await;
    let other = world.worker();
    let (one, two) = futures::join!(worker.reseal.run(MINUTE), other.reseal.run(MINUTE));
    assert!(one.unwrap().finished || two.unwrap().finished);
    assert_eq!(all(&world, &without_former(&world), &tenants).await, before);
}
