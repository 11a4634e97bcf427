//! What has to happen at its time without anybody asking: messages of deliveries and events that wait for longer
//! than a queue can hold one, and circuits that somebody has to look at.
//!
//! Such an item is in the index `due` until its time has come. A run takes what is due before the next run will be
//! over. It first puts each item off in the index, on the condition that nobody else has, then sends its message,
//! then takes it out. So of two runs at the same time one moves it, and after a crash in between it becomes due
//! once more, with a message that looks at the ledger before it does anything. Each kind of item has a file.

mod circuits;
mod deliveries;
mod events;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use postrider_domain::Timestamp;

use crate::endpoints::{Breaker, ChangeStatus, EndpointError};
use crate::ports::{Clock, Queue, QueueError, TableError};
use crate::stores::due::{Due, DueShard};
use crate::stores::{Deliveries, Endpoints, Events};

/// How often it runs.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// What is due within this time is moved, so that it is in its queue when its moment comes. Messages are delayed
/// for what is left.
const AHEAD: Duration = INTERVAL.saturating_mul(2);

/// How long something is put off while its message is sent.
const LEASE: Duration = Duration::from_secs(300);

/// Over how much time the messages are spread that should have been sent before, so that an outage of the
/// schedule does not end in a spike.
const SPREAD: Duration = INTERVAL;

/// How many items are looked at at a time.
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
    /// A circuit's endpoint cannot be dealt with.
    #[error(transparent)]
    Circuit(#[from] EndpointError),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// How many deliveries' and events' messages were sent.
    pub moved: usize,
    /// How many circuits were looked at.
    pub circuits: usize,
    /// How many of all could not be dealt with; the log says why.
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

/// What was done about something that is due.
enum Done {
    /// Its message was sent.
    Moved,
    /// The circuit was looked at.
    Looked,
    /// Another run did it.
    Nothing,
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
    /// When the table cannot be read. What cannot be moved is counted and logged.
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
                let due: Vec<_> =
                    page.items.into_iter().map(|due| (wait(&due, begun, &mut late), due)).collect();
                let results: Vec<_> = stream::iter(due)
                    .map(|(wait, due)| self.hand_over(due, wait))
                    .buffer_unordered(PARALLEL)
                    .collect()
                    .await;
                run.failed += results.iter().filter(|result| result.is_err()).count();
                run.moved += results.iter().filter(|result| matches!(result, Ok(Done::Moved))).count();
                run.circuits += results.iter().filter(|result| matches!(result, Ok(Done::Looked))).count();
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(run)
    }

    /// Sends the message of something that is due, or looks at it. Answers what this run did.
    async fn hand_over(&self, due: Due, wait: Duration) -> Result<Done, ScheduleError> {
        let moved = |moved| if moved { Done::Moved } else { Done::Nothing };
        let (kind, id, result) = match due {
            Due::Delivery(delivery) => {
                let id = delivery.id.to_string();
                ("delivery", id, self.hand_over_delivery(*delivery, wait).await.map(moved))
            }
            Due::Event(stored) => {
                let id = stored.event.id.to_string();
                ("event", id, self.hand_over_event(*stored, wait).await.map(moved))
            }
            Due::Circuit(circuit) => {
                let looked = |looked| if looked { Done::Looked } else { Done::Nothing };
                ("circuit", circuit.endpoint.to_string(), self.look_at(&circuit).await.map(looked))
            }
        };
        if let Err(error) = &result {
            let error = error as &dyn std::error::Error;
            tracing::warn!(due.kind = kind, due.id = id, error, "something that is due was not dealt with");
        }
        result
    }
}

/// For how long the message of something is delayed. Those that are late are spread.
fn wait(due: &Due, now: Timestamp, late: &mut u64) -> Duration {
    let at = match due {
        Due::Delivery(delivery) => delivery.next_attempt_at.unwrap_or_default(),
        Due::Event(stored) => stored.event.begins_at(),
        // Nothing of it is sent later.
        Due::Circuit(_) => return Duration::ZERO,
    };
    let left = at.since(now);
    if !left.is_zero() {
        return left;
    }
    *late += 1;
    Duration::from_secs(*late % SPREAD.as_secs())
}
