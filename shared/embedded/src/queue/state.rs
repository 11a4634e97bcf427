//! One queue in memory: what is visible, what will be, and how often each message was handed out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postrider_application::ports::{OutgoingMessage, QueueRecord};
use postrider_domain::Timestamp;

/// Numbers messages within the process; the log remembers the highest.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) body: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) visible_at: Timestamp,
    pub(super) receive_count: u32,
    /// Whether it may have been handed out by a process that was killed.
    perhaps_received: bool,
}

impl Message {
    /// A message as the log kept it.
    pub(super) fn kept(
        id: u64,
        body: String,
        group: String,
        visible_at: Timestamp,
        receive_count: u32,
    ) -> Self {
        NEXT_ID.fetch_max(id + 1, Ordering::Relaxed);
        let (body, group) = (body.into(), group.into());
        Self { id, body, group, visible_at, receive_count, perhaps_received: false }
    }

    /// The same message in its dead-letter queue.
    pub(super) fn moved(self, now: Timestamp) -> Self {
        Self { visible_at: now, receive_count: 0, perhaps_received: false, ..self }
    }
}

/// What is to be remembered of a message that was handed out.
#[derive(Debug, Clone)]
pub(super) struct Touch {
    pub(super) id: u64,
    pub(super) visible_at: Timestamp,
    pub(super) receive_count: u32,
}

/// What was taken from a queue.
#[derive(Default)]
pub(super) struct Received {
    pub(super) records: Vec<(u64, QueueRecord)>,
    /// Messages whose count has to outlive the process: those handed out more than once. The first time is
    /// not written, because a restart takes every visible message for one that may have been handed out.
    pub(super) touched: Vec<Touch>,
    /// Messages that were handed out too often.
    pub(super) exhausted: Vec<Message>,
}

/// One queue.
#[derive(Default)]
pub(super) struct State {
    messages: HashMap<u64, Message>,
    /// By the moment of becoming visible. Entries of messages that are gone or were moved are passed over.
    order: BinaryHeap<Reverse<(Timestamp, u64)>>,
}

impl State {
    /// A message of the caller's, not yet in the queue.
    pub(super) fn prepare(&self, message: OutgoingMessage, now: Timestamp) -> Message {
        Message {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            body: message.body.into(),
            group: message.group.into(),
            visible_at: super::visible_at(now, message.delay),
            receive_count: 0,
            perhaps_received: false,
        }
    }

    pub(super) fn insert(&mut self, message: Message) {
        self.order.push(Reverse((message.visible_at, message.id)));
        self.messages.insert(message.id, message);
    }

    /// Puts back a message that the log kept. Whoever was dealing with it has ended, so it is visible at once.
    pub(super) fn restore(&mut self, mut message: Message, now: Timestamp) {
        if message.receive_count > 0 {
            message.visible_at = message.visible_at.min(now);
        }
        message.perhaps_received = message.visible_at <= now;
        self.insert(message);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn remove(&mut self, ids: &[u64]) {
        for id in ids {
            self.messages.remove(id);
        }
    }

    /// When the next message becomes visible.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        self.skip_stale();
        self.order.peek().map(|Reverse((at, _))| *at)
    }

    fn skip_stale(&mut self) {
        while let Some(Reverse((at, id))) = self.order.peek() {
            if self.messages.get(id).is_some_and(|message| message.visible_at == *at) {
                return;
            }
            self.order.pop();
        }
    }

    pub(super) fn receive(
        &mut self,
        max: usize,
        now: Timestamp,
        invisible_until: Timestamp,
        limit: Option<u32>,
    ) -> Received {
        let mut received = Received::default();
        while received.records.len() < max && self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse((_, id))) = self.order.pop() else { break };
            let Some(message) = self.messages.get_mut(&id) else { continue };
            if limit.is_some_and(|limit| message.receive_count >= limit) {
                received.exhausted.extend(self.messages.remove(&id));
                continue;
            }
            let first = message.receive_count == 0 && !message.perhaps_received;
            message.receive_count += 1;
            message.visible_at = invisible_until;
            let seen_count = message.receive_count + u32::from(message.perhaps_received);
            received.records.push((
                id,
                QueueRecord {
                    message_id: id.to_string(),
                    body: Arc::clone(&message.body),
                    receive_count: seen_count,
                },
            ));
            if !first {
                let Message { id, visible_at, receive_count, .. } = *message;
                received.touched.push(Touch { id, visible_at, receive_count });
            }
            self.order.push(Reverse((invisible_until, id)));
        }
        received
    }
}
