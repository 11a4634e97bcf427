//! Queues, as far as senders see them. Consuming is the business of what calls the use cases: Lambda's SQS
//! event source, or the poller of the embedded stack.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postrider_domain::{ChannelKind, Lane, TenantId};

use crate::messages::Body;

/// The longest delay of a message (SQS `DelaySeconds`).
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// The queues of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueName {
    /// Accepted events, to be matched with subscriptions.
    Events,
    /// Events whose matching failed too often.
    EventsDead,
    /// Deliveries of one channel, to be attempted.
    Channel(ChannelKind),
    /// Deliveries of one channel that are urgent, to be attempted past the others.
    Express(ChannelKind),
    /// Deliveries of one channel that are given up, or whose message was handed out too often.
    ChannelDead(ChannelKind),
}

impl QueueName {
    /// Every queue.
    pub fn all() -> Vec<Self> {
        let channels = ChannelKind::ALL.into_iter();
        let mut queues = vec![Self::Events, Self::EventsDead];
        queues.extend(
            channels.flat_map(|kind| [Self::Channel(kind), Self::Express(kind), Self::ChannelDead(kind)]),
        );
        queues
    }

    /// The queue of a channel's deliveries in a lane.
    pub const fn of(channel: ChannelKind, lane: Lane) -> Self {
        match lane {
            Lane::Standard => Self::Channel(channel),
            Lane::Express => Self::Express(channel),
        }
    }

    /// The queue that takes what this one gave up; `None` for a dead-letter queue.
    pub const fn dead_letter_queue(self) -> Option<Self> {
        match self {
            Self::Events => Some(Self::EventsDead),
            Self::Channel(kind) | Self::Express(kind) => Some(Self::ChannelDead(kind)),
            Self::EventsDead | Self::ChannelDead(_) => None,
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str("events"),
            Self::EventsDead => f.write_str("events-dlq"),
            Self::Channel(kind) => write!(f, "{kind}"),
            Self::Express(kind) => write!(f, "{kind}-express"),
            Self::ChannelDead(kind) => write!(f, "{kind}-dlq"),
        }
    }
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// What it says.
    pub body: Body,
    /// How long it stays invisible, at most [`MAX_DELAY`]. SQS counts whole seconds: its adapter rounds up,
    /// so that nothing is early.
    pub delay: Duration,
    /// Whose message it is (SQS `MessageGroupId`), so that nobody's flood delays the others.
    pub group: Arc<str>,
}

impl OutgoingMessage {
    /// A message of a tenant's.
    pub fn of(tenant: &TenantId, body: impl Into<Body>, delay: Duration) -> Self {
        Self { body: body.into(), delay, group: tenant.into() }
    }
}

/// A message as a consumer gets it.
#[derive(Debug, Clone)]
pub struct QueueRecord {
    /// What the consumer names when it reports a failure.
    pub message_id: String,
    /// What it says.
    pub body: Body,
    /// How often it was handed out, this time included.
    pub receive_count: u32,
}

/// Sends messages.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends messages durably, in as few requests as possible. The results are in the order of the messages:
    /// a message whose result is an error may still have been sent.
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>>;
}

/// A message was not, or perhaps not, sent.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Trying again may help.
    #[error("the queue {queue} did not take the message")]
    Unavailable {
        /// The queue.
        queue: QueueName,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The message can never be sent.
    #[error("the queue {queue} refuses the message: {reason}")]
    Refused {
        /// The queue.
        queue: QueueName,
        /// Why.
        reason: String,
    },
}

/// Sends messages, all of which have to arrive.
///
/// # Errors
/// The first failure. Others may have been sent: the caller repeats the whole step later.
pub async fn send_all(
    queue: &dyn Queue,
    name: QueueName,
    messages: Vec<OutgoingMessage>,
) -> Result<(), QueueError> {
    if messages.is_empty() {
        return Ok(());
    }
    queue.send(name, messages).await.into_iter().collect()
}

/// What a batch reports of one record: its id when the work on it failed, which is logged here, once.
pub fn failure<E: std::error::Error>(record: &QueueRecord, result: Result<(), E>) -> Option<String> {
    let error = result.err()?;
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        reason = format!("{reason}: {next}");
        cause = next.source();
    }
    tracing::warn!(
        message.id = record.message_id,
        receive_count = record.receive_count,
        error = reason,
        "message failed"
    );
    Some(record.message_id.clone())
}
