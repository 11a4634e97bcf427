//! Circuits: a receiver that only fails is left alone, tried with a few deliveries, and gets everything after that.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use postrider_application::ports::{OutgoingMessage, QueueName, QueueRecord};
use postrider_domain::circuit::PROBES;
use postrider_domain::{CircuitState, DeliveryStatus, EndpointId, Outcome, RetryPolicy};

use crate::world::{WEBHOOK, World};

const SECOND: Duration = Duration::from_secs(1);

/// A world with an endpoint whose circuit is open, and so many parked deliveries. Ten attempts failed.
pub(crate) async fn opened(parked: usize) -> (World, EndpointId) {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    world.publish_many(0..10 + parked).await;
    let messages = world.queue.take(WEBHOOK);
    for message in &messages {
        world.deal(WEBHOOK, std::slice::from_ref(message), 1).await;
    }
    assert_eq!(world.channel.calls().len(), 10);
    assert_eq!(world.circuit(endpoint).await.state.as_str(), "open");
    assert_eq!(world.count(endpoint, DeliveryStatus::Parked).await, parked);
    (world, endpoint)
}

fn records(messages: &[OutgoingMessage]) -> Vec<QueueRecord> {
    let record = |(index, message): (usize, &OutgoingMessage)| QueueRecord {
        message_id: index.to_string(),
        body: message.body.clone().written(),
        receive_count: 1,
    };
    messages.iter().enumerate().map(record).collect()
}

/// Which events the receiver was called with after the first `skipped` calls, and how often.
fn calls_after(world: &World, skipped: usize) -> HashMap<String, usize> {
    let mut calls = HashMap::new();
    for call in &world.channel.calls()[skipped..] {
        *calls.entry(call.clone()).or_default() += 1;
    }
    calls
}

#[tokio::test]
async fn what_comes_while_it_is_open_is_parked_and_says_why() {
    let (world, endpoint) = opened(5).await;
    let page = world.lookup.parked(&world.tenant, endpoint).await.unwrap().unwrap();
    assert_eq!((page.count, page.at_least), (5, false));
    let parked = world.deliveries.parked(&world.tenant, endpoint, None, 10).await.unwrap().deliveries;
    let until = world.circuit(endpoint).await.open_until().unwrap();
    let why = format!("the endpoint's circuit is open until {until}");
    assert!(parked.iter().all(|delivery| delivery.error.as_deref() == Some(&*why)));
    assert!(parked.iter().all(|delivery| delivery.attempt_count == 0 && delivery.parked_at.is_some()));
}

#[tokio::test]
async fn a_batch_of_failures_at_once_opens_it() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    world.publish_many(0..10).await;
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages, 1).await;
    let circuit = world.circuit(endpoint).await;
    assert_eq!((circuit.state.as_str(), circuit.failures), ("open", 10));
}

#[tokio::test]
async fn without_failures_nothing_is_written() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.publish_many(0..5).await;
    world.settle().await;
    assert_eq!(world.circuit(endpoint).await.version, 0);
    world.channel.answer(&[Outcome::Retry]);
    world.publish_many(5..8).await;
    world.settle().await;
    let circuit = world.circuit(endpoint).await;
    assert!(
        circuit.is_untroubled() && circuit.version == 2,
        "one failure, one success after it: {circuit:?}"
    );
}

#[tokio::test]
async fn after_the_recovery_everything_goes_on_in_order() {
    let (world, endpoint) = opened(250).await;
    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.settle_by(1).await;
    assert!(world.circuit(endpoint).await.is_untroubled());
    let calls = &world.channel.calls()[10..];
    let parked: Vec<_> = calls.iter().filter(|id| id.as_str() >= "e010").cloned().collect();
    let expected: Vec<_> = (10..260).map(|number| format!("e{number:03}")).collect();
    assert_eq!(parked, expected);
    assert_eq!(calls.len(), 260, "those that failed were parked at their next attempt, and went on, too");
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 260);
}

#[tokio::test]
async fn a_drain_goes_no_faster_than_the_rate() {
    let (world, endpoint) = opened(250).await;
    world.limit(endpoint, 100.0).await;
    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
    world.queue.take(WEBHOOK);
    let begun = world.clock.0.load(Ordering::SeqCst);
    let mut seconds: HashMap<u64, usize> = HashMap::new();
    for _ in 0..20 {
        let events = world.queue.take(QueueName::Events);
        let drains = events.iter().filter(|message| message.body.text().contains("\"release\""));
        for message in drains.filter(|message| !message.body.text().contains("as_probes")) {
            world.clock.forward(message.delay);
            assert_eq!(world.deal(QueueName::Events, std::slice::from_ref(message), 1).await, 0);
            let now = Duration::from_millis(world.clock.0.load(Ordering::SeqCst) - begun);
            for sent in world.queue.take(WEBHOOK) {
                *seconds.entry((now + sent.delay).as_secs()).or_default() += 1;
            }
        }
    }
    assert!(seconds.values().all(|count| *count <= 100), "{seconds:?}");
    // The last look, half a minute later, finds them parked: nobody attempted any of them here.
    let first_seconds: usize = (0..10).filter_map(|second| seconds.get(&second)).sum();
    assert_eq!(first_seconds, 250, "{seconds:?}");
}

#[tokio::test]
async fn failing_probes_keep_it_open_for_twice_as_long() {
    let (world, endpoint) = opened(30).await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = world.channel.calls().len();
        let opened_until = world.circuit(endpoint).await.open_until().unwrap();
        let now = postrider_application::ports::Clock::now(&*world.clock);
        waits.push(opened_until.since(now).as_secs().next_multiple_of(300));
        let released = world.queue.take(QueueName::Events);
        let probes = released.iter().filter(|message| message.body.text().contains("as_probes"));
        let probes: Vec<_> = probes.cloned().collect();
        world.queue.take(WEBHOOK);
        world.clock.forward(opened_until.since(now));
        if probes.is_empty() {
            world.schedule.run(SECOND).await.unwrap();
        }
        world.deal(QueueName::Events, &probes, 1).await;
        let due = world.queue.take(QueueName::Events);
        world.deal(QueueName::Events, &due, 1).await;
        let messages = world.queue.take(WEBHOOK);
        assert_eq!(messages.len(), PROBES);
        world.deal(WEBHOOK, &messages, 1).await;
        assert_eq!(world.channel.calls().len(), before + PROBES);
    }
    assert_eq!(waits, [300, 600, 1200, 2400]);
}

#[tokio::test]
async fn four_workers_open_it_once_and_let_three_probes_through() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let listener = world.endpoint("postrider.*").await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    world.publish_many(0..400).await;
    let messages = world.queue.take(WEBHOOK);
    let workers: Vec<_> = (0..4).map(|_| world.worker(world.table.clone())).collect();
    let (first, second) = messages.split_at(200);
    let run = async |part: &[OutgoingMessage]| {
        let batches = part.chunks(part.len() / 4).zip(&workers).map(|(own, worker)| async move {
            for batch in own.chunks(10) {
                assert!(worker.handle(records(batch)).await.is_empty());
            }
        });
        join_all(batches).await;
    };
    run(first).await;
    // Each worker learns of it with its own next failure, or a second later.
    assert!(world.channel.calls().len() <= 4 * 20, "{}", world.channel.calls().len());
    world.clock.forward(SECOND * 10);
    let before = world.channel.calls().len();
    run(&second[..100]).await;
    assert_eq!(world.channel.calls().len(), before, "no attempt while it is open");
    let events = world.queue.take(QueueName::Events);
    assert_eq!(
        events.iter().filter(|event| event.body.text().contains("postrider.circuit.opened")).count(),
        1
    );

    world.clock.forward(SECOND * 300);
    world.channel.most_under_way();
    run(&second[100..]).await;
    assert!(world.channel.most_under_way() <= PROBES as u64);
    assert_eq!(world.channel.calls().len(), before + PROBES);
    assert_eq!(world.count(listener, DeliveryStatus::Pending).await, 0);
    let parked = world.count(endpoint, DeliveryStatus::Parked).await;
    let retrying = world.count(endpoint, DeliveryStatus::Retrying).await;
    assert_eq!(parked + retrying, 400);
}

#[tokio::test]
async fn a_probe_whose_worker_died_frees_its_place() {
    let (world, endpoint) = opened(20).await;
    world.queue.take(QueueName::Events);
    world.clock.forward(SECOND * 300);
    let mut circuit = world.circuit(endpoint).await;
    let now = postrider_application::ports::Clock::now(&*world.clock);
    let circuits = postrider_application::stores::Circuits::new(world.table.clone());
    for _ in 0..PROBES {
        let grant = |circuit: &mut postrider_domain::Circuit| circuit.grant(now);
        circuit = circuits.change(&world.tenant, endpoint, Some(circuit), now, grant).await.unwrap().0;
    }
    assert!(matches!(circuit.state, CircuitState::HalfOpen { .. }));
    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.live(1).await;
    assert_eq!(world.channel.calls().len(), 10, "all probes are under way, as far as anybody knows");
    world.live(3).await;
    assert!(world.circuit(endpoint).await.is_untroubled());
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 30);
}

#[tokio::test]
async fn a_new_delivery_is_a_probe_too() {
    let (world, endpoint) = opened(0).await;
    world.queue.take(QueueName::Events);
    world.queue.take(WEBHOOK);
    world.clock.forward(SECOND * 300);
    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.publish_many(500..501).await;
    world.settle().await;
    assert!(calls_after(&world, 10).contains_key("e500"));
    assert!(world.circuit(endpoint).await.is_untroubled());
}

#[tokio::test]
async fn a_flapping_receiver_loses_nothing() {
    for seed in 0_u64..5 {
        let world = World::new();
        let policy = RetryPolicy { max_attempts: 100, jitter: 0.0, ..RetryPolicy::default() };
        let endpoint = world.endpoint_with("*", policy).await;
        // Works and fails in turns of up to 32 attempts.
        let mut answers = Vec::new();
        for turn in 0..30_u64 {
            let outcome = if turn % 2 == 0 { Outcome::Retry } else { Outcome::Delivered };
            let length = (seed + 1).wrapping_mul(turn + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
            answers.extend((0..length).map(|_| outcome));
        }
        world.channel.answer(&answers);
        for portion in 0..10 {
            world.publish_many(portion * 20..(portion + 1) * 20).await;
            world.live(3).await;
        }
        // Each time that it fails for long, it is left alone for hours.
        for _ in 0..400 {
            if world.count(endpoint, DeliveryStatus::Delivered).await == 200 {
                break;
            }
            world.live(1).await;
            world.clock.forward(SECOND * 59 * 60);
        }
        let parked = world.count(endpoint, DeliveryStatus::Parked).await;
        let delivered = world.count(endpoint, DeliveryStatus::Delivered).await;
        assert_eq!((delivered, parked), (200, 0), "seed {seed}: {:?}", world.circuit(endpoint).await);
        assert!(world.circuit(endpoint).await.is_untroubled());
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_strand_anything() {
    let (world, endpoint) = opened(20).await;
    world.channel.is_broken.store(false, Ordering::SeqCst);
    world.clock.back(SECOND * 4 * 3_600);
    world.live(10).await;
    world.clock.forward(SECOND * 4 * 3_600);
    world.live(20).await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 30);
}

#[tokio::test]
async fn opened_and_closed_by_hand() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let breaker = world.status.breaker();
    breaker.open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.publish_many(0..5).await;
    world.settle().await;
    world.live(120).await;
    assert!(world.channel.calls().is_empty());
    let parked = world.deliveries.parked(&world.tenant, endpoint, None, 1).await.unwrap().deliveries;
    assert!(parked[0].error.as_deref().unwrap().contains("opened by key_x"), "{:?}", parked[0].error);
    breaker.close(&world.tenant, endpoint).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 5);
    breaker.open(&world.tenant, endpoint, Some(SECOND * 7_200), "key_x").await.unwrap();
    world.publish_many(5..10).await;
    world.live(110).await;
    assert_eq!(world.channel.calls().len(), 5);
    world.live(20).await;
    assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 10);
}

/// The owner had given another address after the first failure. The worker, which knew the old one for ten seconds,
/// went on failing and opened the circuit.
#[tokio::test]
async fn failures_with_an_old_configuration_do_not_open_it() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.channel.is_broken.store(true, Ordering::SeqCst);
    world.publish_many(0..20).await;
    let messages = world.queue.take(WEBHOOK);
    world.deal(WEBHOOK, &messages[..1], 1).await;
    let changes = postrider_application::endpoints::Changes {
        config: Some(serde_json::json!({"url": "another"})),
        ..Default::default()
    };
    world.manage.update(&world.tenant, endpoint, changes).await.unwrap();
    for message in &messages[1..10] {
        world.deal(WEBHOOK, std::slice::from_ref(message), 1).await;
    }
    let circuit = world.circuit(endpoint).await;
    assert_eq!((circuit.state.as_str(), circuit.failures), ("closed", 9));
    world.status.breaker().forgive(&world.tenant, endpoint).await.unwrap();
    assert!(world.circuit(endpoint).await.is_untroubled());
    world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
    world.status.breaker().forgive(&world.tenant, endpoint).await.unwrap();
    assert_eq!(world.circuit(endpoint).await.state.as_str(), "open", "a person opened it");
}
