//! Queues as Lambda's event sources see them: batches of up to ten, a time-out after which what was not removed
//! comes again, and a dead-letter queue for what came too often.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::messages::Body;
use postrider_application::ports::{Clock as _, OutgoingMessage, Queue, QueueError, QueueName, QueueRecord};
use postrider_domain::Timestamp;

use crate::clock::TestClock;

/// The size of a batch, as the event sources have it.
pub const BATCH: usize = 10;

/// How long a message that was handed out stays invisible.
pub const VISIBILITY: Duration = Duration::from_secs(60);

/// How often a message is handed out before it goes to the dead-letter queue.
const MAX_RECEIVES: u32 = 10;

#[derive(Clone)]
struct Held {
    id: u64,
    body: Body,
    visible_at: Timestamp,
    receives: u32,
}

#[derive(Default)]
struct State {
    queues: HashMap<QueueName, VecDeque<Held>>,
    last_id: u64,
}

/// The queues.
pub struct TestQueues {
    clock: Arc<TestClock>,
    state: Mutex<State>,
}

impl TestQueues {
    /// Empty queues on this clock.
    pub fn new(clock: Arc<TestClock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Hands out the next messages that are visible.
    pub fn receive(&self, queue: QueueName) -> Vec<QueueRecord> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let held = state.queues.entry(queue).or_default();
        let (mut batch, mut given_up) = (Vec::new(), Vec::new());
        for message in held.iter_mut().filter(|message| message.visible_at <= now).take(BATCH) {
            if message.receives == MAX_RECEIVES && queue.dead_letter_queue().is_some() {
                given_up.push(message.clone());
                continue;
            }
            message.receives += 1;
            message.visible_at = now.after(VISIBILITY);
            batch.push(QueueRecord {
                message_id: message.id.to_string(),
                body: message.body.clone(),
                receive_count: message.receives,
            });
        }
        held.retain(|message| given_up.iter().all(|given_up| given_up.id != message.id));
        if let Some(dead) = queue.dead_letter_queue() {
            let given_up = given_up.into_iter().map(|message| Held { receives: 0, ..message });
            state.queues.entry(dead).or_default().extend(given_up);
        }
        batch
    }

    /// Removes what was dealt with.
    pub fn remove(&self, queue: QueueName, ids: &[String]) {
        let mut state = self.state.lock().unwrap();
        // Whoever removes was handed these out, and they lie near the front.
        let held = state.queues.entry(queue).or_default();
        for id in ids {
            let place = held.iter().position(|message| message.id.to_string() == *id);
            place.and_then(|place| held.remove(place));
        }
    }

    /// How many messages a queue holds, visible or not.
    pub fn len(&self, queue: QueueName) -> usize {
        self.state.lock().unwrap().queues.get(&queue).map_or(0, VecDeque::len)
    }

    /// When the next message of any queue can be handed out; `None` when all are empty.
    pub fn next_visible(&self) -> Option<Timestamp> {
        let state = self.state.lock().unwrap();
        state.queues.values().flatten().map(|message| message.visible_at).min()
    }
}

#[async_trait]
impl Queue for TestQueues {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let results = messages.iter().map(|_| Ok(())).collect();
        for message in messages {
            state.last_id += 1;
            let id = state.last_id;
            let (body, visible_at) = (message.body.written(), now.after(message.delay));
            state.queues.entry(queue).or_default().push_back(Held { id, body, visible_at, receives: 0 });
        }
        results
    }
}
