//! A world: instances of the functions around one table and its queues, publishers, people and receivers.

mod deeds;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::select;
use postrider_application::ingest::IngestError;
use postrider_application::ports::{Blobs, Clock, Entropy, Queue, QueueName, QueueRecord, Table, Vault};
use postrider_application::stores::{DeadLetters, Deliveries, Jobs, Manifests, PageRequest};
use postrider_domain::job::JobState;
use postrider_domain::reconciliation::Matched;
use postrider_domain::{Delivery, DeliveryId, EndpointId, EventId, Job, TenantId, Timestamp};
use postrider_embedded::{EmbeddedTable, LocalVault, MemoryBlobs};

pub(crate) use self::deeds::Promise;

use crate::executor::{Executor, Simulation};
use crate::furnish::{create_endpoints, publication};
use crate::indexes::Indexes;
use crate::instance::{Instance, Ports};
use crate::plan::{Deed, Plan, PlannedEvent, TROUBLE};
use crate::ports::{
    Faults, SimulatedBlobs, SimulatedClock, SimulatedEntropy, SimulatedQueue, SimulatedTable,
};
use crate::queues::Queues;
use crate::receivers::{Receivers, channel};
use crate::switches::Switches;
use crate::watch::watch;

/// When every world begins, in milliseconds since the Unix epoch.
pub(crate) const EPOCH: u64 = 1_770_000_000_000;

/// How long a function may take, in milliseconds.
const TIME_LIMIT: u64 = 60_000;

/// How often the schedule runs, in milliseconds.
const TICK: u64 = 60_000;

/// How long it may take until everything is over after the trouble has ended, in milliseconds: the longest
/// waits of the endpoints' policies one after the other, and something for messages that come again.
const PATIENCE: u64 = 8 * 60 * 60_000;

/// An event that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedEvent {
    pub(crate) id: EventId,
    pub(crate) at: Timestamp,
    /// When its publisher began to publish it, in milliseconds.
    pub(crate) begun: u64,
    /// When its publisher knew that it is accepted.
    pub(crate) known: u64,
}

#[derive(Default)]
struct State {
    /// Those that are not at work, by queue and number.
    idle: BTreeMap<(String, usize), Arc<Instance>>,
    /// By the number of the planned event.
    accepted: BTreeMap<usize, AcceptedEvent>,
    /// How often somebody asked for a delivery again, whatever the answer was.
    asked_again: BTreeMap<DeliveryId, u32>,
    redrives: u32,
    promises: Vec<Promise>,
    /// How many jobs were asked for.
    jobs: u32,
}

/// What everything in a world shares.
pub(crate) struct World {
    pub(crate) simulation: Simulation,
    pub(crate) plan: Plan,
    pub(crate) faults: Arc<Faults>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) receivers: Arc<Receivers>,
    switches: Arc<Switches>,
    pub(crate) tenant: TenantId,
    pub(crate) endpoints: Vec<EndpointId>,
    pub(crate) deliveries: Deliveries,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) jobs: Jobs,
    manifests: Manifests,
    ports: Ports,
    state: Mutex<State>,
}

impl World {
    /// The world of a seed, with its endpoints.
    pub(crate) fn new(seed: u64, traced: bool) -> Arc<Self> {
        let plan = Plan::of(seed);
        let simulation = Simulation::new(seed, EPOCH, traced);
        simulation.note(|| format!("{plan:?}"));
        let table: Arc<dyn Table> = match EmbeddedTable::in_memory() {
            Ok(table) => Arc::new(table),
            Err(error) => panic!("no table in memory: {error}"),
        };
        let faults = Arc::new(Faults::new(simulation.clone(), plan.faults));
        let queues = Arc::new(Queues::new(simulation.clone(), plan.repetitions));
        let receivers = Arc::new(Receivers::new(simulation.clone()));
        let entropy: Arc<dyn Entropy> = Arc::new(SimulatedEntropy(simulation.clone()));
        let vault: Arc<dyn Vault> = Arc::new(LocalVault::in_memory(&*entropy, None));
        let channel = channel(receivers.clone());
        let blobs: Arc<dyn Blobs> = Arc::new(MemoryBlobs::default());
        let queue: Arc<dyn Queue> =
            Arc::new(SimulatedQueue { inner: queues.clone(), faults: faults.clone() });
        let plain = Ports { table: table.clone(), queue, blobs: blobs.clone(), vault, entropy, channel };
        let tenant: TenantId = match "acme".parse() {
            Ok(tenant) => tenant,
            Err(error) => panic!("{error}"),
        };
        let endpoints = create_endpoints(&plan, &simulation, &plain, &tenant);
        for (number, endpoint) in plan.endpoints.iter().enumerate() {
            receivers.behave(number as u64, endpoint.manner);
        }
        let switches = Arc::new(Switches::new(endpoints.len()));
        let watch = watch(&simulation, &plan, table.clone(), &tenant, &endpoints, switches.clone());
        receivers.watched(watch);
        let ports = Ports {
            table: Arc::new(SimulatedTable {
                inner: table.clone(),
                indexes: Indexes::new(simulation.clone(), plan.lag),
                faults: faults.clone(),
            }),
            blobs: Arc::new(SimulatedBlobs { inner: blobs, faults: faults.clone() }),
            ..plain
        };
        Arc::new(Self {
            simulation,
            plan,
            faults,
            queues,
            receivers,
            switches,
            tenant,
            endpoints,
            deliveries: Deliveries::new(table.clone()),
            dead_letters: DeadLetters::new(table.clone()),
            jobs: Jobs::new(table.clone()),
            manifests: Manifests::new(table),
            ports,
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything happen, until nothing is left to be done or the patience ends.
    pub(crate) fn run(self: &Arc<Self>) {
        let mut executor = Executor::new(self.simulation.clone());
        for queue in QueueName::all() {
            for number in 0..self.plan.instances {
                self.lock().idle.insert((queue.to_string(), number), self.instance());
            }
            self.simulation.spawn(self.clone().consume(queue));
        }
        for (number, event) in self.plan.events.iter().enumerate() {
            self.simulation.spawn(self.clone().publish(number, *event));
        }
        for (at, deed) in &self.plan.deeds {
            self.simulation.spawn(self.clone().act(*at, *deed));
        }
        let mut at = 0;
        while at < TROUBLE {
            at += TICK;
            executor.run_until(EPOCH + at);
            self.simulation.spawn(self.clone().tick());
        }
        self.heal();
        while at < TROUBLE + PATIENCE && !self.is_over() {
            at += TICK;
            executor.run_until(EPOCH + at);
            self.simulation.spawn(self.clone().tick());
            self.simulation.spawn(self.clone().resume_jobs());
        }
    }

    /// Ends everything that goes wrong, and lets paused endpoints go on.
    fn heal(self: &Arc<Self>) {
        self.simulation.note(|| "the trouble is over".to_owned());
        self.faults.end();
        self.receivers.heal();
        for number in 0..self.endpoints.len() {
            self.simulation.spawn(self.clone().act(0, Deed::Resume(number)));
        }
    }

    fn is_over(&self) -> bool {
        let is_final = |delivery: Option<Delivery>| {
            delivery.is_some_and(|delivery| {
                let status = delivery.status;
                !status.is_waiting() && status != postrider_domain::DeliveryStatus::Parked
            })
        };
        self.queues.len() == 0
            && self.open_jobs().is_empty()
            && self.accepted().len() == self.plan.events.len()
            && self
                .accepted()
                .iter()
                .all(|event| self.endpoints.iter().all(|id| is_final(self.delivery(event, *id))))
    }

    /// Jobs that did not come to an end.
    pub(crate) fn open_jobs(&self) -> Vec<Job> {
        let page = PageRequest { limit: 100, after: None };
        let jobs = match block_on(self.jobs.list(&self.tenant, page)) {
            Ok(jobs) => jobs.items,
            Err(error) => panic!("the jobs cannot be read: {error}"),
        };
        jobs.into_iter().filter(|job| job.state != JobState::Done).collect()
    }

    /// The events that were accepted.
    pub(crate) fn accepted(&self) -> Vec<AcceptedEvent> {
        self.lock().accepted.values().cloned().collect()
    }

    /// How the delivery of an event to an endpoint stands.
    pub(crate) fn delivery(&self, event: &AcceptedEvent, endpoint: EndpointId) -> Option<Delivery> {
        let id = DeliveryId::derive(event.at, &event.id, endpoint);
        block_on(self.deliveries.get(&self.tenant, id)).ok().flatten()
    }

    /// Which endpoints an event is on record to have matched.
    pub(crate) fn matched(&self, event: &AcceptedEvent) -> Matched {
        let until = event.at.after(Duration::from_millis(1));
        let range = block_on(self.manifests.of_range(&self.tenant, event.at, until));
        let key = DeliveryId::event_part_of(event.at, &event.id);
        Matched::of(range.ok().and_then(|mut range| range.events.remove(&key)).unwrap_or_default())
    }

    /// How often a delivery may have begun anew.
    pub(crate) fn renewals(&self, id: DeliveryId) -> u32 {
        let state = self.lock();
        state.asked_again.get(&id).copied().unwrap_or_default() + state.redrives + state.jobs
    }

    fn instance(&self) -> Arc<Instance> {
        let skew = self.simulation.draw(|random| random.below(2 * self.plan.skew + 1)) as i64;
        let skew = skew - self.plan.skew as i64;
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock { simulation: self.simulation.clone(), skew });
        Arc::new(Instance::new(&self.ports, clock))
    }

    /// Hands batches of a queue to whichever instance is idle.
    async fn consume(self: Arc<Self>, queue: QueueName) {
        loop {
            let (generation, now) = (self.queues.generation(), self.simulation.now());
            match self.queues.next_visible(queue) {
                Some(at) if at > now => {
                    let changed = Box::pin(self.queues.changed(generation));
                    select(self.simulation.sleep(at - now), changed).await;
                }
                Some(_) if self.invoke(queue) => {}
                _ => self.queues.changed(generation).await,
            }
        }
    }

    /// Begins to deal with a batch. Answers whether there was somebody to do it.
    fn invoke(self: &Arc<Self>, queue: QueueName) -> bool {
        let mut state = self.lock();
        let of_queue: Vec<_> =
            state.idle.keys().filter(|(name, _)| *name == queue.to_string()).cloned().collect();
        if of_queue.is_empty() {
            return false;
        }
        let lot = self.simulation.draw(|random| random.below(of_queue.len() as u64)) as usize;
        let place = of_queue[lot].clone();
        let Some(instance) = state.idle.remove(&place) else { return false };
        drop(state);
        let batch = self.queues.receive(queue);
        if batch.is_empty() {
            self.lock().idle.insert(place, instance);
            return true;
        }
        let seat = Seat { world: self.clone(), place, instance: None };
        let task = self.simulation.spawn(self.clone().invocation(queue, batch, instance, seat));
        let simulation = self.simulation.clone();
        let faults = self.faults.clone();
        self.simulation.spawn(async move {
            simulation.sleep(TIME_LIMIT).await;
            faults.excuse(task);
            simulation.kill(task);
        });
        true
    }

    async fn invocation(
        self: Arc<Self>,
        queue: QueueName,
        batch: Vec<QueueRecord>,
        instance: Arc<Instance>,
        mut seat: Seat,
    ) {
        self.simulation.note(|| format!("{queue}: a batch of {}", batch.len()));
        let mut ids: Vec<_> = batch.iter().map(|record| record.message_id.clone()).collect();
        let failed = instance.handle(queue, batch).await;
        ids.retain(|id| !failed.contains(id));
        self.queues.remove(queue, &ids);
        seat.instance = Some(instance);
    }

    /// Does something as a function that is called over HTTP. `None`: it broke off, nobody knows where.
    async fn request<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Instance>) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = work(self.instance());
        self.simulation.spawn(async move {
            // Whoever asked may be gone.
            drop(answer.send(work.await));
        });
        answered.await.ok()
    }

    async fn publish(self: Arc<Self>, number: usize, event: PlannedEvent) {
        self.simulation.sleep(event.at).await;
        let begun = self.simulation.now();
        loop {
            let (publication, tenant) = (publication(number, event), self.tenant.clone());
            let result = self
                .request(|instance| async move { instance.ingest.accept(&tenant, publication).await })
                .await;
            match result {
                Some(Ok(accepted)) => {
                    let known = self.simulation.now();
                    let (id, at) = (accepted.event_id, accepted.accepted_at);
                    let event = AcceptedEvent { id, at, begun, known };
                    self.simulation.note(|| format!("accepted {}", event.id));
                    self.lock().accepted.insert(number, event);
                    return;
                }
                Some(Err(
                    error @ (IngestError::Invalid(_)
                    | IngestError::TooLarge { .. }
                    | IngestError::Conflict(_)),
                )) => {
                    panic!("event {number} was refused: {error}");
                }
                // A publisher tries again.
                _ => self.simulation.sleep(1_000).await,
            }
        }
    }

    /// A run of the schedule; sometimes two at the same time.
    async fn tick(self: Arc<Self>) {
        let run =
            |instance: Arc<Instance>| async move { instance.schedule.run(Duration::from_secs(50)).await };
        if self.simulation.chance(100) {
            futures::join!(self.request(run), self.request(run));
        } else {
            self.request(run).await;
        }
    }
}

/// An instance's place. When its task ends before the work is done, the instance is gone, and another one starts.
struct Seat {
    world: Arc<World>,
    place: (String, usize),
    instance: Option<Arc<Instance>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let instance = self.instance.take().unwrap_or_else(|| self.world.instance());
        self.world.lock().idle.insert(self.place.clone(), instance);
        self.world.queues.look_again();
    }
}
