//! Keys that replace others.

use std::time::Duration;

use postrider_application::endpoints::{Changes, EndpointError, Rotation};
use postrider_application::ports::Clock as _;
use postrider_domain::EndpointId;
use postrider_domain::signature::{KeyKind, MAX_LIVE_KEYS, RingKey, SigningKey};
use postrider_testkit::faults::Fault;
use serde_json::{Value, json};

use crate::sealed::{Sealed, Worker};

const OVERLAP: Duration = Duration::from_secs(100);

fn rotation(kind: Option<KeyKind>, key: Option<SigningKey>) -> Rotation {
    Rotation { kind, key, overlap: OVERLAP }
}

fn plain() -> Rotation {
    rotation(None, None)
}

async fn with_endpoint(config: Value) -> (Sealed, Worker, EndpointId) {
    let world = Sealed::new().await;
    let worker = world.worker();
    let id = worker.create(&world.tenant, config).await;
    (world, worker, id)
}

async fn live(world: &Sealed, worker: &Worker, id: EndpointId) -> Vec<String> {
    let keys = worker.manage.keys(&world.tenant, id).await.unwrap();
    keys.iter().map(|key| key.key.reveal()).collect()
}

/// All keys that are stored, ended ones included.
async fn stored(world: &Sealed, worker: &Worker, id: EndpointId) -> Vec<RingKey> {
    let record = world.endpoints.get(&world.tenant, id).await.unwrap().unwrap();
    worker.secrets.open(&record).await.unwrap().signing.keys().to_vec()
}

#[tokio::test]
async fn both_keys_sign_during_the_overlap_and_the_former_one_is_removed_at_the_next_write() {
    let (world, worker, id) = with_endpoint(json!({})).await;
    let first = live(&world, &worker, id).await.remove(0);
    let rotated = worker.manage.rotate(&world.tenant, id, plain()).await.unwrap();
    let second = rotated.key.key.reveal();
    assert_eq!(rotated.previous_expires_at, Some(world.clock.now().after(OVERLAP)));
    assert_eq!(live(&world, &worker, id).await, [second.clone(), first]);
    worker.rename(&world.tenant, id, "a change keeps keys").await;
    assert_eq!(live(&world, &worker, id).await.len(), 2);
    world.clock.forward(OVERLAP);
    assert_eq!(live(&world, &worker, id).await, [second]);
    assert_eq!(stored(&world, &worker, id).await.len(), 2);
    worker.rename(&world.tenant, id, "and removes ended ones").await;
    assert_eq!(stored(&world, &worker, id).await.len(), 1);
}

#[tokio::test]
async fn of_two_rotations_at_the_same_time_one_wins_and_the_other_is_told() {
    let (world, worker, id) = with_endpoint(json!({})).await;
    let (other, tenant) = (worker.clone(), world.tenant.clone());
    world.before_next_write(move || async move {
        other.manage.rotate(&tenant, id, plain()).await.unwrap();
    });
    let lost = worker.manage.rotate(&world.tenant, id, plain()).await.unwrap_err();
    assert!(matches!(lost, EndpointError::RotatedMeanwhile(of) if of == id), "{lost}");
    assert_eq!(live(&world, &worker, id).await.len(), 2);
}

#[tokio::test]
async fn a_rotation_and_another_change_at_the_same_time_both_hold() {
    let (world, worker, id) = with_endpoint(json!({})).await;
    let (other, tenant) = (worker.clone(), world.tenant.clone());
    world.before_next_write(move || async move { other.rename(&tenant, id, "renamed").await });
    worker.manage.rotate(&world.tenant, id, plain()).await.unwrap();
    let (other, tenant) = (worker.clone(), world.tenant.clone());
    world.before_next_write(move || async move {
        other.manage.rotate(&tenant, id, plain()).await.unwrap();
    });
    let changes = Changes { description: Some(Some("described".to_owned())), ..Changes::default() };
    worker.manage.update(&world.tenant, id, changes).await.unwrap();
    let endpoint = world.endpoints.get(&world.tenant, id).await.unwrap().unwrap().endpoint;
    assert_eq!((&*endpoint.name, endpoint.description.as_deref()), ("renamed", Some("described")));
    assert_eq!(live(&world, &worker, id).await.len(), 3);
}

#[tokio::test]
async fn a_rotation_that_fails_anywhere_happens_once_or_not_at_all() {
    for fault in Fault::ALL {
        for call in 1..=3 {
            let (world, worker, id) = with_endpoint(json!({})).await;
            let before = live(&world, &worker, id).await;
            world.faults.strike_at(call, fault);
            let result = worker.manage.rotate(&world.tenant, id, plain()).await;
            world.faults.recover();
            let after = live(&world, &worker, id).await;
            assert!(after.ends_with(&before) && after.len() <= 2, "{fault:?} at {call}");
            if let Ok(rotated) = result {
                assert_eq!(after[0], rotated.key.key.reveal(), "{fault:?} at {call}");
            }
        }
    }
}

#[tokio::test]
async fn too_many_live_keys_are_refused_with_a_remedy() {
    let (world, worker, id) = with_endpoint(json!({})).await;
    for _ in 1..MAX_LIVE_KEYS {
        worker.manage.rotate(&world.tenant, id, plain()).await.unwrap();
    }
    let refused = worker.manage.rotate(&world.tenant, id, plain()).await.unwrap_err();
    assert!(
        matches!(refused, EndpointError::TooManyKeys(_)) && refused.to_string().contains("overlap_seconds 0")
    );
    let at_once = Rotation { overlap: Duration::ZERO, ..plain() };
    worker.manage.rotate(&world.tenant, id, at_once).await.unwrap();
    assert_eq!(live(&world, &worker, id).await.len(), 1);
}

#[tokio::test]
async fn an_own_key_is_taken_once_and_for_its_kind() {
    let (world, worker, id) = with_endpoint(json!({})).await;
    let own = SigningKey::from_random(KeyKind::Hmac, [9; 32]);
    let mismatch = rotation(Some(KeyKind::Ed25519), Some(own.clone()));
    let rotated = worker.manage.rotate(&world.tenant, id, rotation(None, Some(own.clone()))).await.unwrap();
    assert_eq!(rotated.key.key.reveal(), own.reveal());
    for wrong in [mismatch, rotation(None, Some(own))] {
        let refused = worker.manage.rotate(&world.tenant, id, wrong).await.unwrap_err();
        let EndpointError::Invalid(problems) = refused else { panic!("{refused}") };
        assert_eq!(problems[0].field, "secret");
    }
}

#[tokio::test]
async fn the_kinds_that_the_configuration_signs_with_are_there_and_rotate_by_themselves() {
    let (world, worker, id) = with_endpoint(json!({"kinds": "both"})).await;
    let [secret, pair] = &*stored(&world, &worker, id).await else { panic!("one of each kind") };
    assert_ne!(secret.key.kind(), pair.key.kind());
    let refused = worker.manage.rotate(&world.tenant, id, plain()).await.unwrap_err();
    let EndpointError::Invalid(problems) = refused else { panic!("{refused}") };
    assert_eq!(problems[0].field, "key");
    let rotated =
        worker.manage.rotate(&world.tenant, id, rotation(Some(KeyKind::Ed25519), None)).await.unwrap();
    assert_eq!(rotated.key.key.kind(), KeyKind::Ed25519);
    let record = world.endpoints.get(&world.tenant, id).await.unwrap().unwrap();
    let ends: Vec<_> = record.public_keys.iter().map(|key| key.expires_at).collect();
    assert_eq!(ends, [None, rotated.previous_expires_at]);

    // A configuration that is changed to another kind gets its key.
    let id = worker.create(&world.tenant, json!({})).await;
    let changes = Changes { config: Some(json!({"kinds": "ed25519"})), ..Changes::default() };
    let record = worker.manage.update(&world.tenant, id, changes).await.unwrap();
    assert_eq!(record.public_keys.len(), 1);
    assert_eq!(stored(&world, &worker, id).await.len(), 2, "and keeps what it had");
}
