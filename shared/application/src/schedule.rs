//! What has to happen at its time without anybody asking: messages of deliveries that wait for longer than a
//! queue can hold one, and circuits that somebody has to look at ([`circuits`]).
//!
//! Such a delivery is in the index `due` until its time has come. A run takes what is due before the next run
//! will be over. It first puts each delivery off in the index, on the condition that nobody else has, then sends
//! its message, then takes it out. So of two runs at the same time one moves it, and after a crash in between it
//! becomes due once more, with a message that looks at the ledger before it does anything.

mod circuits;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use postrider_domain::{Delivery, DeliveryId, Timestamp};

use crate::endpoints::{Breaker, ChangeStatus, EndpointError};
use crate::messages::{ChannelMessage, MessageError};
use crate::ports::queue::send_all;
use crate::ports::{Clock, OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::redeliver::{MessageErrorOrTable, message_for};
use crate::stores::deliveries::Saved;
use crate::stores::due::DueShard;
use crate::stores::{Deliveries, Endpoints, Events};

/// How often it runs.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// What is due within this time is moved, so that it is in its queue when its moment comes. Messages are delayed
/// for what is left.
const AHEAD: Duration = INTERVAL.saturating_mul(2);

/// How long a delivery is put off while its message is sent.
const LEASE: Duration = Duration::from_secs(300);

/// Over how much time the messages are spread that should have been sent before, so that an outage of the
/// schedule does not end in a spike.
const SPREAD: Duration = INTERVAL;

/// How many deliveries are looked at at a time.
const PORTION: u32 = 100;

/// How many are moved at the same time.
const PARALLEL: usize = 16;

/// A run broke off. What it had not moved, the next one does.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A stored event cannot be written into a message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// What a circuit asks for cannot be done.
    #[error(transparent)]
    Circuit(#[from] EndpointError),
}

impl From<MessageErrorOrTable> for ScheduleError {
    fn from(error: MessageErrorOrTable) -> Self {
        match error {
            MessageErrorOrTable::Message(error) => Self::Message(error),
            MessageErrorOrTable::Table(error) => Self::Table(error),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// How many deliveries' messages were sent.
    pub moved: usize,
    /// How many circuits were looked at.
    pub circuits: usize,
    /// How many of both could not be dealt with; the log says why.
    pub failed: usize,
    /// Whether the time was up before everything that is due was looked at.
    pub unfinished: bool,
}

/// Sends messages at their time.
pub struct Schedule {
    deliveries: Deliveries,
    events: Events,
    breaker: Breaker,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Schedule {
    /// A schedule over these stores, and what is kept beside them.
    pub fn new(deliveries: Deliveries, events: Events, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        let endpoints = Endpoints::new(deliveries.table());
        let breaker = ChangeStatus::new(endpoints, queue.clone(), clock.clone()).breaker();
        Self { deliveries, events, breaker, queue, clock }
    }

    /// Moves what is due, until nothing is or `time` is up.
    ///
    /// # Errors
    /// When the table cannot be read. A delivery that cannot be moved is counted and logged.
    pub async fn run(&self, time: Duration) -> Result<Run, ScheduleError> {
        let (begun, mut run) = (self.clock.now(), Run::default());
        let mut late = 0;
        for shard in DueShard::all() {
            let mut start = None;
            loop {
                if self.clock.now().since(begun) >= time {
                    run.unfinished = true;
                    return Ok(run);
                }
                let page = self.deliveries.due(shard, begun.after(AHEAD), PORTION, start).await?;
                let due = page.deliveries.into_iter().map(|delivery| {
                    let wait = wait(&delivery, begun, &mut late);
                    (delivery, wait)
                });
                let due: Vec<_> = due.collect();
                let results: Vec<_> = stream::iter(due)
                    .map(|(delivery, wait)| async move {
                        let id = delivery.id;
                        (id, self.hand_over(delivery, wait).await)
                    })
                    .buffer_unordered(PARALLEL)
                    .collect()
                    .await;
                self.look_at(page.circuits, &mut run).await;
                run.failed += results.iter().filter(|(id, result)| log_failure(*id, result)).count();
                run.moved += results.iter().filter(|(_, result)| matches!(result, Ok(true))).count();
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(run)
    }

    /// Sends a delivery's message. Answers whether it was this run that did.
    async fn hand_over(&self, mut delivery: Delivery, wait: Duration) -> Result<bool, ScheduleError> {
        delivery.due_at = Some(self.clock.now().after(LEASE));
        let Saved::Yes = self.deliveries.save(&delivery).await? else { return Ok(false) };
        delivery.version += 1;
        if let Some(message) = message_for(&self.events, &delivery, 0).await? {
            let message =
                message.attempt_at(delivery.attempt_count + 1, delivery.next_attempt_at).rechecked();
            let body = ChannelMessage::Deliver(Box::new(message)).write();
            let message = OutgoingMessage { body, delay: wait, group: delivery.tenant.to_string() };
            send_all(&*self.queue, QueueName::Channel(delivery.channel), vec![message]).await?;
        } else {
            delivery.cancel("its event is not kept any more, so there is nothing to send");
        }
        delivery.due_at = None;
        // A worker that was faster has recorded its attempt already, and with it that nothing is due.
        self.deliveries.save(&delivery).await?;
        Ok(true)
    }
}

/// For how long a delivery's message is delayed. Those that are late are spread.
fn wait(delivery: &Delivery, now: Timestamp, late: &mut u64) -> Duration {
    let left = delivery.next_attempt_at.map(|at| at.since(now)).unwrap_or_default();
    if !left.is_zero() {
        return left;
    }
    *late += 1;
    Duration::from_secs(*late % SPREAD.as_secs())
}

fn log_failure(id: DeliveryId, result: &Result<bool, ScheduleError>) -> bool {
    let Err(error) = result else { return false };
    tracing::warn!(delivery.id = %id, error = error as &dyn std::error::Error, "a delivery that is due was not moved");
    true
}
