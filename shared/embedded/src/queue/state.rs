//! One queue in memory: what is visible, what will be, and how often each message was handed out.
//!
//! Messages that are visible are handed out fairly, as SQS does with message groups (fair queues): of those groups
//! that have any, the one with the fewest messages under way is next. Whoever sends much, or to a receiver that is
//! slow, waits behind everybody with less under way, and gets what they leave.

mod groups;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::HashMap;
use postrider_application::messages::Body;
use postrider_application::ports::{OutgoingMessage, QueueRecord};
use postrider_domain::Timestamp;

use self::groups::Groups;

/// Numbers messages within the process; the log remembers the highest.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) body: Body,
    pub(super) group: Arc<str>,
    pub(super) visible_at: Timestamp,
    pub(super) receive_count: u32,
    /// Whether it may have been handed out by a process that was killed.
    perhaps_received: bool,
    stage: Stage,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not visible yet.
    Delayed,
    /// In its group, to be handed out.
    Visible,
    /// Handed out, and not visible for a while.
    UnderWay,
}

impl Message {
    /// A message of a sender's, not yet in a queue.
    pub(super) fn sent(message: OutgoingMessage, now: Timestamp) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            body: message.body,
            group: message.group,
            visible_at: super::visible_at(now, message.delay),
            receive_count: 0,
            perhaps_received: false,
            stage: Stage::Delayed,
        }
    }

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
        let (perhaps_received, stage) = (false, Stage::Delayed);
        Self { id, body, group, visible_at, receive_count, perhaps_received, stage }
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

/// A message that was handed out.
pub(super) struct HandedOut {
    pub(super) id: u64,
    pub(super) group: Arc<str>,
    pub(super) record: QueueRecord,
}

/// What was taken from a queue.
#[derive(Default)]
pub(super) struct Received {
    pub(super) handed_out: Vec<HandedOut>,
    /// Messages whose count has to outlive the process: those handed out more than once. The first time is
    /// not written, because a restart takes every visible message for one that may have been handed out.
    pub(super) touched: Vec<Touch>,
    /// Messages that were handed out too often.
    pub(super) exhausted: Vec<Message>,
}

/// Messages by the moment of becoming visible, of which some are gone or were moved.
type Order = BinaryHeap<Reverse<(Timestamp, u64)>>;

/// One queue.
#[derive(Default)]
pub(super) struct State {
    messages: HashMap<u64, Message>,
    /// Those that were not handed out yet and are not visible, by the moment at which they will be. Entries of
    /// messages that are gone, or visible by now, are passed over.
    waiting: Order,
    /// The same of those that were handed out. By themselves, because nearly all of them are dealt with long before
    /// they would be visible again: among those that wait, they would make every step through the order a long one.
    handed_out: Order,
    groups: Groups,
}

impl State {
    pub(super) fn insert(&mut self, mut message: Message) {
        message.stage = Stage::Delayed;
        let order = if message.receive_count > 0 { &mut self.handed_out } else { &mut self.waiting };
        order.push(Reverse((message.visible_at, message.id)));
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

    /// How many entries the order has, those of messages that are gone included.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.waiting.len() + self.handed_out.len()
    }

    pub(super) fn remove(&mut self, ids: &[u64]) {
        for id in ids {
            let Some(message) = self.messages.remove(id) else { continue };
            match message.stage {
                Stage::Delayed => {}
                Stage::Visible => self.groups.withdraw(&message.group, *id),
                Stage::UnderWay => self.groups.returned(&message.group),
            }
        }
    }

    /// When the next message becomes visible; long ago when one is, of a group that may have one.
    pub(super) fn next_due(&mut self, may: impl Fn(&str) -> bool) -> Option<Timestamp> {
        if self.groups.has_any(may) {
            return Some(Timestamp::default());
        }
        let orders = [&mut self.waiting, &mut self.handed_out];
        orders.into_iter().filter_map(|order| first(order, &self.messages)).min().map(|(at, _)| at)
    }

    /// Makes visible whose moment has come.
    fn show(&mut self, now: Timestamp) {
        for order in [&mut self.waiting, &mut self.handed_out] {
            while let Some((_, id)) = first(order, &self.messages).filter(|(at, _)| *at <= now) {
                order.pop();
                let Some(message) = self.messages.get_mut(&id) else { continue };
                if message.stage == Stage::UnderWay {
                    self.groups.returned(&message.group);
                }
                message.stage = Stage::Visible;
                self.groups.add(&message.group, id);
            }
        }
    }

    pub(super) fn receive(
        &mut self,
        max: usize,
        now: Timestamp,
        invisible_until: Timestamp,
        limit: Option<u32>,
        may: impl Fn(&str) -> bool,
    ) -> Received {
        self.show(now);
        let mut received = Received::default();
        while received.handed_out.len() < max {
            let Some((group, id)) = self.groups.next(&may) else { break };
            let Some(message) = self.messages.get_mut(&id) else {
                self.groups.returned(&group);
                continue;
            };
            if limit.is_some_and(|limit| message.receive_count >= limit) {
                received.exhausted.extend(self.messages.remove(&id));
                self.groups.returned(&group);
                continue;
            }
            let first = message.receive_count == 0 && !message.perhaps_received;
            message.receive_count += 1;
            message.visible_at = invisible_until;
            message.stage = Stage::UnderWay;
            let seen_count = message.receive_count + u32::from(message.perhaps_received);
            received.handed_out.push(HandedOut {
                id,
                group,
                record: QueueRecord {
                    message_id: id.to_string(),
                    body: message.body.clone(),
                    receive_count: seen_count,
                },
            });
            if !first {
                let Message { id, visible_at, receive_count, .. } = *message;
                received.touched.push(Touch { id, visible_at, receive_count });
            }
            self.handed_out.push(Reverse((invisible_until, id)));
        }
        received
    }
}

/// The first entry that is still true; those before it are forgotten.
fn first(order: &mut Order, messages: &HashMap<u64, Message>) -> Option<(Timestamp, u64)> {
    while let Some(Reverse((at, id))) = order.peek() {
        if messages.get(id).is_some_and(|message| message.visible_at == *at) {
            return Some((*at, *id));
        }
        order.pop();
    }
    None
}
