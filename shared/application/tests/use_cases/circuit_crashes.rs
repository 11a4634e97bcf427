//! Crashes and races around circuits and parked deliveries, between any two calls to table and queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Write};
use postrider_application::ports::{OutgoingMessage, QueueName, Table, TableError, TableName};
use postrider_domain::{DeliveryStatus, EndpointId, EndpointStatus};
use postrider_testkit::faults::Fault;

use crate::circuits::opened;
use crate::world::{WEBHOOK, World};

/// A table beside which something happens, before a certain call.
pub(crate) struct Interleaved {
    pub(crate) inner: Arc<dyn Table>,
    pub(crate) calls: AtomicUsize,
    pub(crate) at: usize,
    pub(crate) happens: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Interleaved {
    async fn next(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            let happens = self.happens.lock().unwrap().take();
            if let Some(happens) = happens {
                happens.await;
            }
        }
    }
}

#[async_trait]
impl Table for Interleaved {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        self.next().await;
        self.inner.get(table, key, consistent).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        self.next().await;
        self.inner.batch_get(table, keys).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        self.next().await;
        self.inner.put(put).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.next().await;
        self.inner.transact(writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        self.next().await;
        self.inner.query(query).await
    }
}

/// What lets parked deliveries go on.
#[derive(Clone, Copy, Debug)]
enum Opening {
    /// The circuit is closed.
    Circuit,
    /// The endpoint is resumed.
    Endpoint,
}

/// A worker gets a delivery that it has to park; before its `at`th call to the table everything is released, and
/// nobody looks a second time. Answers how many calls the worker made.
async fn park_beside_a_release(opening: Opening, at: usize) -> usize {
    let world = Arc::new(World::new());
    let endpoint = world.endpoint("*").await;
    match opening {
        Opening::Circuit => {
            world.status.breaker().open(&world.tenant, endpoint, None, "key_x").await.unwrap();
        }
        Opening::Endpoint => {
            world.status.set(&world.tenant, endpoint, EndpointStatus::Paused).await.unwrap();
        }
    }
    world.publish_many(0..1).await;
    let messages = world.queue.take(WEBHOOK);
    world.queue.take(QueueName::Events);
    let releasing = world.clone();
    let happens: BoxFuture<'static, ()> = Box::pin(async move {
        let (world, tenant) = (&releasing, &releasing.tenant);
        match opening {
            Opening::Circuit => {
                world.status.breaker().close(tenant, endpoint).await.unwrap();
            }
            Opening::Endpoint => {
                world.status.set(tenant, endpoint, EndpointStatus::Active).await.unwrap();
            }
        }
        let messages = world.queue.take(QueueName::Events);
        assert_eq!(world.deal(QueueName::Events, &messages, 1).await, 0);
        world.queue.take(QueueName::Events);
    });
    let table = Arc::new(Interleaved {
        inner: world.table.clone(),
        calls: AtomicUsize::new(0),
        at,
        happens: Mutex::new(Some(happens)),
    });
    let worker = world.worker(table.clone());
    let record = postrider_application::ports::QueueRecord {
        message_id: "m".to_owned(),
        body: messages[0].body.clone().written(),
        receive_count: 1,
    };
    assert!(worker.handle(vec![record]).await.is_empty());
    let calls = table.calls.load(Ordering::SeqCst);
    let happens = table.happens.lock().unwrap().take();
    if let Some(happens) = happens {
        happens.await;
    }
    world.clock.forward(Duration::from_secs(11));
    world.settle().await;
    let delivered = world.count(endpoint, DeliveryStatus::Delivered).await;
    assert_eq!(delivered, 1, "{opening:?} before call {at} of {calls}");
    calls
}

#[tokio::test]
async fn what_is_parked_while_the_release_goes_by_goes_on() {
    for opening in [Opening::Circuit, Opening::Endpoint] {
        let calls = park_beside_a_release(opening, usize::MAX).await;
        assert!(calls >= 3, "{calls}");
        for at in 1..=calls {
            park_beside_a_release(opening, at).await;
        }
    }
}

/// Messages that are dealt with one at a time; those that fail come again.
async fn settle_among_crashes(world: &mut World) {
    let mut again: Vec<(QueueName, OutgoingMessage, u32)> = Vec::new();
    for minute in 0..40 {
        loop {
            let mut todo = std::mem::take(&mut again);
            for queue in QueueName::all() {
                todo.extend(world.queue.take(queue).into_iter().map(|message| (queue, message, 1)));
            }
            if todo.is_empty() {
                break;
            }
            todo.sort_by_key(|(_, message, _)| message.delay);
            let mut waited = Duration::ZERO;
            for (queue, message, count) in todo {
                world.clock.forward(message.delay.saturating_sub(waited));
                waited = waited.max(message.delay);
                if world.deal(queue, std::slice::from_ref(&message), count).await > 0 {
                    world.plan.recover();
                    world.deliver = world.worker(world.faulty_table());
                    let message = OutgoingMessage { delay: Duration::from_secs(90), ..message };
                    again.push((queue, message, count + 1));
                }
            }
        }
        let run = world.schedule.run(Duration::from_secs(60)).await;
        if run.is_err() || run.is_ok_and(|run| run.failed > 0) {
            world.plan.recover();
        }
        let idle = world.queue.is_empty();
        world.clock.forward(Duration::from_secs(60));
        if idle && minute > 15 {
            return;
        }
    }
}

/// An outage of a receiver, from the failures that open the circuit to the last delivery, with a fault at a call.
async fn outage(call: u64, fault: Fault) -> (u64, EndpointId) {
    let mut world = World::new();
    let endpoint = world.endpoint("*").await;
    world.endpoint("postrider.*").await;
    world.channel.answer(&[postrider_domain::Outcome::Retry; 11]);
    world.publish_many(0..14).await;
    world.deliver = world.worker(world.faulty_table());
    world.plan.strike_at(call, fault);
    settle_among_crashes(&mut world).await;
    let calls = world.plan.calls();
    world.plan.recover();
    let what = format!("{fault:?} at call {call} of {calls}");
    let delivered = world.count(endpoint, DeliveryStatus::Delivered).await;
    let parked = world.deliveries.parked(&world.tenant, endpoint, None, 100).await.unwrap().deliveries;
    assert!(
        parked.is_empty(),
        "{what}: {} are left, circuit {:?}",
        parked.len(),
        world.circuit(endpoint).await
    );
    assert_eq!(delivered, 14, "{what}");
    let circuit = world.circuit(endpoint).await;
    assert_eq!((circuit.state.as_str(), circuit.notices.len()), ("closed", 0), "{what}: {circuit:?}");
    (calls, endpoint)
}

#[tokio::test]
async fn a_crash_anywhere_in_an_outage_strands_nothing() {
    let (calls, _) = outage(u64::MAX, Fault::ErrorBefore).await;
    assert!(calls > 100, "{calls}");
    for (index, call) in (1..=calls).step_by(2).enumerate() {
        outage(call, Fault::ALL[index % Fault::ALL.len()]).await;
        outage(call, Fault::ALL[(index + 2) % Fault::ALL.len()]).await;
    }
}

/// The whole drain with a fault at a call: nothing is lost, and what was delivered is not delivered again.
#[tokio::test]
async fn a_crash_anywhere_in_a_drain_loses_nothing() {
    for fault in Fault::ALL {
        for call in 1..40 {
            let (mut world, endpoint) = opened(130).await;
            world.channel.is_broken.store(false, Ordering::SeqCst);
            world.queue.take(WEBHOOK);
            world.queue.take(QueueName::Events);
            world.status.breaker().close(&world.tenant, endpoint).await.unwrap();
            world.plan.strike_at(call, fault);
            settle_among_crashes(&mut world).await;
            world.plan.recover();
            let left = world.count(endpoint, DeliveryStatus::Parked).await;
            assert_eq!(left, 0, "{fault:?} at call {call}");
            assert_eq!(world.count(endpoint, DeliveryStatus::Delivered).await, 130);
            assert!(world.channel.calls().len() <= 10 + 131, "{fault:?} at call {call}");
        }
    }
}
