//! Queues with the promises of SQS standard queues and no others: at least once, in no order, hidden for a
//! while from when they were handed out, given to a dead-letter queue when that happened too often.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use postrider_application::messages::Body;
use postrider_application::ports::{OutgoingMessage, QueueName, QueueRecord};

use crate::executor::Simulation;

/// How often a message is handed out before it goes to the dead-letter queue.
const MAX_RECEIVES: u32 = 10;

/// How long a message that was handed out stays hidden, in milliseconds.
pub(crate) const VISIBILITY: u64 = 90_000;

/// How many messages there are in a batch at most.
const BATCH: u64 = 10;

struct Held {
    body: Body,
    visible_at: u64,
    receives: u32,
    /// How many copies were handed out of which each took itself for the first.
    twins: u32,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<String, BTreeMap<u64, Held>>,
    last_id: u64,
    generation: u64,
    waiting: Vec<Waker>,
    /// Bodies that were handed out as if for the first time more than once.
    twins: Vec<Body>,
}

/// The queues.
pub(crate) struct Queues {
    simulation: Simulation,
    /// In thousandths: how often a message comes twice.
    repetitions: u64,
    state: Mutex<State>,
}

impl Queues {
    pub(crate) fn new(simulation: Simulation, repetitions: u64) -> Self {
        Self { simulation, repetitions, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message.
    pub(crate) fn put(&self, queue: QueueName, message: OutgoingMessage) {
        // SQS counts whole seconds, and is not exact.
        let delay = u64::try_from(message.delay.as_millis()).unwrap_or(u64::MAX).div_ceil(1000) * 1000;
        let lag = self.simulation.draw(|random| random.between(1, 40));
        let visible_at = self.simulation.now() + delay + lag;
        let body = message.body.written();
        self.simulation.note(|| format!("message to {queue} in {delay} ms: {}", shortened(&body.text())));
        self.add(queue, Held { body, visible_at, receives: 0, twins: 0 });
    }

    fn add(&self, queue: QueueName, held: Held) {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.queues.entry(queue.to_string()).or_default().insert(id, held);
        wake(&mut state);
    }

    /// Hands out some of the messages that are visible, drawn by lot.
    pub(crate) fn receive(&self, queue: QueueName) -> Vec<QueueRecord> {
        let now = self.simulation.now();
        let wanted = self.simulation.draw(|random| random.between(1, BATCH)) as usize;
        let mut state = self.lock();
        let held = state.queues.entry(queue.to_string()).or_default();
        let mut visible: Vec<u64> =
            held.iter().filter(|(_, message)| message.visible_at <= now).map(|(id, _)| *id).collect();
        let (mut batch, mut dead, mut twins) = (Vec::new(), Vec::new(), Vec::new());
        while batch.len() < wanted && !visible.is_empty() {
            let lot = self.simulation.draw(|random| random.below(visible.len() as u64)) as usize;
            let id = visible.swap_remove(lot);
            let Some(message) = held.get_mut(&id) else { continue };
            if message.receives >= MAX_RECEIVES && queue.dead_letter_queue().is_some() {
                dead.extend(held.remove(&id));
                continue;
            }
            message.receives += 1;
            message.visible_at = now + VISIBILITY;
            let (body, receive_count) = (message.body.clone(), message.receives);
            // A copy on another machine of the queue's, which does not know that this one was handed out.
            if receive_count == 1 && self.simulation.chance(self.repetitions) {
                message.receives = 0;
                message.twins += 1;
                message.visible_at = now + self.simulation.draw(|random| random.between(0, 20_000));
                twins.push(body.clone());
            }
            batch.push(QueueRecord { message_id: id.to_string(), body, receive_count });
        }
        state.twins.extend(twins);
        drop(state);
        for message in dead {
            if let Some(dead) = queue.dead_letter_queue() {
                self.simulation.note(|| format!("given up: {}", shortened(&message.body.text())));
                self.add(dead, Held { visible_at: now, receives: 0, ..message });
            }
        }
        batch
    }

    /// Removes what was dealt with. Sometimes a message comes again all the same.
    pub(crate) fn remove(&self, queue: QueueName, ids: &[String]) {
        for id in ids.iter().filter_map(|id| id.parse::<u64>().ok()) {
            if self.simulation.chance(self.repetitions) {
                continue;
            }
            let mut state = self.lock();
            let held = state.queues.entry(queue.to_string()).or_default();
            match held.get_mut(&id) {
                Some(message) if message.twins > 0 => message.twins -= 1,
                Some(_) => {
                    held.remove(&id);
                }
                None => {}
            }
        }
        wake(&mut self.lock());
    }

    /// When the next message of a queue can be handed out.
    pub(crate) fn next_visible(&self, queue: QueueName) -> Option<u64> {
        self.lock().queues.get(&queue.to_string())?.values().map(|message| message.visible_at).min()
    }

    /// How many messages there are in all.
    pub(crate) fn len(&self) -> usize {
        self.lock().queues.values().map(BTreeMap::len).sum()
    }

    /// What they hold, for a report.
    pub(crate) fn content(&self) -> Vec<String> {
        let state = self.lock();
        let line = |queue: &String, held: &Held| {
            format!(
                "{queue}, {} receives, at {}: {}",
                held.receives,
                held.visible_at,
                shortened(&held.body.text())
            )
        };
        state
            .queues
            .iter()
            .flat_map(|(queue, held)| held.values().map(move |held| line(queue, held)))
            .collect()
    }

    /// How often a message for a first attempt with these texts in it was handed out once more as if for the first time.
    pub(crate) fn first_twins(&self, texts: &[String]) -> usize {
        let is_first = |body: &str| body.contains(r#""attempt":1,"#) && !body.contains(r#""recheck":true"#);
        let is_meant = |body: &str| texts.iter().all(|text| body.contains(text.as_str()));
        self.lock().twins.iter().filter(|body| is_first(&body.text()) && is_meant(&body.text())).count()
    }

    /// Somebody may receive now who could not before.
    pub(crate) fn look_again(&self) {
        wake(&mut self.lock());
    }

    /// Waits until something changes after `generation`.
    pub(crate) async fn changed(&self, generation: u64) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.generation != generation {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The number of changes.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }
}

fn wake(state: &mut State) {
    state.generation += 1;
    for waker in state.waiting.drain(..) {
        waker.wake();
    }
}

fn shortened(body: &str) -> String {
    body.chars().take(230).collect()
}
