//! Queues with the semantics of SQS, and what Lambda's event source does with them.

mod event_source;
mod log;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use foldhash::HashMap;
use postrider_application::ports::queue::MAX_DELAY;
use postrider_application::ports::{Clock, OutgoingMessage, Queue, QueueError, QueueName};
use postrider_domain::Timestamp;
use tokio::sync::Notify;

pub use event_source::{EventSource, EventSourceConfig, Grouping, Handler};

use self::log::{Log, LogEntry};
use self::state::{HandedOut, Message, State};
use crate::OpenError;

/// The largest message in bytes (SQS `MaximumMessageSize`).
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// How often a message is handed out before it goes to the dead-letter queue (SQS `maxReceiveCount`).
pub const MAX_RECEIVES: u32 = 10;

/// All queues of one process.
///
/// Messages are handed out from memory; the log keeps them beyond the process. Sending is over when the log
/// is synced. What was handed out when a process was killed is handed out again after the restart, as a
/// repeated receive, so that consumers look before they act.
pub struct LocalQueues {
    queues: HashMap<QueueName, Shared>,
    log: Option<Log>,
    clock: Arc<dyn Clock>,
}

struct Shared {
    state: Mutex<State>,
    /// Woken when a message may have become visible.
    arrived: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalQueues {
    /// Queues that live as long as the process.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { queues: empty(), log: None, clock })
    }

    /// Queues that are kept in files beside `path`, with what is in them.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn in_file(path: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        let (log, kept) = Log::open(path)?;
        let queues = empty();
        let now = clock.now();
        for (queue, message) in kept {
            if let Some(shared) = queues.get(&queue) {
                shared.lock().restore(message, now);
            }
        }
        Ok(Arc::new(Self { queues, log: Some(log), clock }))
    }

    /// How many messages a queue holds, whether they can be seen or not.
    pub fn depth(&self, queue: QueueName) -> usize {
        self.shared(queue).lock().len()
    }

    fn shared(&self, queue: QueueName) -> &Shared {
        // Made for every name there is.
        &self.queues[&queue]
    }

    /// Takes up to `max` visible messages of groups that may have some, which stay invisible for as long as
    /// `visibility`. Messages that were handed out too often go to the dead-letter queue instead.
    fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
        may: impl Fn(&str) -> bool,
    ) -> Vec<HandedOut> {
        let now = self.clock.now();
        let limit = queue.dead_letter_queue().map(|_| MAX_RECEIVES);
        let received = self.shared(queue).lock().receive(max, now, now.after(visibility), limit, may);
        if let (Some(log), false) = (&self.log, received.touched.is_empty()) {
            log.append(received.touched.iter().map(|touch| LogEntry::Touched(touch.clone())).collect());
        }
        if let (Some(dead), false) = (queue.dead_letter_queue(), received.exhausted.is_empty()) {
            for message in received.exhausted {
                if let Some(log) = &self.log {
                    log.append(vec![LogEntry::Moved { id: message.id, to: dead }]);
                }
                self.shared(dead).lock().insert(message.moved(now));
            }
            self.shared(dead).arrived.notify_one();
        }
        received.handed_out
    }

    /// Removes messages that were dealt with. It is not waited for: a message that comes again after a crash
    /// is known to be one that may.
    fn delete(&self, queue: QueueName, ids: &[u64]) {
        self.shared(queue).lock().remove(ids);
        if let Some(log) = &self.log {
            log.append(ids.iter().map(|id| LogEntry::Removed(*id)).collect());
        }
    }

    /// Waits until a message may be visible of a group that may have one.
    async fn wait(&self, queue: QueueName, may: impl Fn(&str) -> bool) {
        let shared = self.shared(queue);
        let arrived = shared.arrived.notified();
        let now = self.clock.now();
        let due = shared.lock().next_due(may);
        match due {
            Some(due) if due <= now => {}
            Some(due) => {
                futures::pin_mut!(arrived);
                futures::future::select(arrived, self.clock.sleep(due.since(now))).await;
            }
            None => arrived.await,
        }
    }

    /// Waits until everything that was said so far is synced.
    pub async fn flush(&self) {
        if let Some(log) = &self.log {
            log.synced(Vec::new()).await.ok();
        }
    }
}

fn empty() -> HashMap<QueueName, Shared> {
    let queue = |name| (name, Shared { state: Mutex::default(), arrived: Notify::new() });
    QueueName::all().into_iter().map(queue).collect()
}

#[async_trait]
impl Queue for LocalQueues {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let now = self.clock.now();
        let mut results = Vec::with_capacity(messages.len());
        let mut accepted = Vec::with_capacity(messages.len());
        for mut message in messages {
            if self.log.is_some() {
                // What is handed out is what the log keeps, before a restart as after it.
                message.body = message.body.written();
            }
            results.push(check(queue, &message));
            if results.last().is_some_and(Result::is_ok) {
                accepted.push(Message::sent(message, now));
            }
        }
        if let Some(log) = &self.log {
            let entries = accepted.iter().map(|message| LogEntry::Sent(queue, message.clone())).collect();
            if let Err(error) = log.synced(entries).await {
                let failed = || QueueError::Unavailable { queue, source: error.clone().into() };
                return results.into_iter().map(|result| result.and_then(|()| Err(failed()))).collect();
            }
        }
        if !accepted.is_empty() {
            let shared = self.shared(queue);
            let mut state = shared.lock();
            accepted.into_iter().for_each(|message| state.insert(message));
            drop(state);
            shared.arrived.notify_one();
        }
        results
    }
}

fn check(queue: QueueName, message: &OutgoingMessage) -> Result<(), QueueError> {
    let refused = |reason: String| Err(QueueError::Refused { queue, reason });
    if let Some(text) = message.body.as_text().filter(|text| text.len() > MAX_MESSAGE_BYTES) {
        return refused(format!("{} bytes are more than {MAX_MESSAGE_BYTES}", text.len()));
    }
    if message.delay > MAX_DELAY {
        return refused(format!("a delay of {} s is more than 900 s", message.delay.as_secs()));
    }
    if !(1..=128).contains(&message.group.len()) {
        return refused("a message group id has 1 to 128 characters".to_owned());
    }
    Ok(())
}

/// The moment at which a message becomes visible.
fn visible_at(now: Timestamp, delay: Duration) -> Timestamp {
    now.after(delay)
}

#[cfg(test)]
mod tests;
