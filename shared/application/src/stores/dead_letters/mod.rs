//! Dead letters: what was given up, until somebody redrives, resolves or discards it.

mod item;
mod list;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, DeliveryId, EventId, EventType, JobId, TenantId, Timestamp};

pub use self::list::DeadLetterFilter;

use self::item::{DeadLetterItem, TABLE, partition, read_item};
use super::item::encode;
use crate::ports::table::{Expression, Key, Put, Table, TableError};

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterState {
    /// Nobody dealt with it.
    Pending,
    /// It is being delivered again.
    Redriven,
    /// What it was about was dealt with by other means.
    Resolved,
    /// It is not wanted any more.
    Discarded,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a dead letter's state is pending, redriven, resolved or discarded")]
pub struct UnknownState;

impl DeadLetterState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Redriven, Self::Resolved, Self::Discarded];

    /// The state as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Redriven => "redriven",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeadLetterState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// A delivery, an event that could not be matched, or a message that cannot be read: nothing more happens to it by
/// itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Sorts by the time of giving up, and for an event that could not be matched by that of its acceptance.
    pub id: DeadLetterId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What became of it.
    pub state: DeadLetterState,
    /// Why it was given up.
    pub reason: FailureReason,
    /// The event; `None` where the message does not tell.
    pub event_id: Option<EventId>,
    /// The event's type; `None` where the message does not tell.
    pub event_type: Option<EventType>,
    /// The delivery; `None` when the event could not be matched or the message could not be read.
    pub delivery: Option<DeliveryId>,
    /// The last error, in plain words.
    pub error: Option<String>,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// The beginning of a message that cannot be read.
    pub message: Option<String>,
    /// When it was given up.
    pub created_at: Timestamp,
    /// What somebody did about it.
    pub handled: Option<Handling>,
    /// Counts changes, from 1.
    pub version: u64,
}

/// What somebody did about a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handling {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What they noted.
    pub note: Option<String>,
    /// The job that did it for them.
    pub job: Option<JobId>,
}

/// The dead letters.
#[derive(Clone)]
pub struct DeadLetters(Arc<dyn Table>);

impl DeadLetters {
    /// The dead letters in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Adds a dead letter; adding it again changes nothing.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, letter: &DeadLetter) -> Result<(), TableError> {
        let item = encode(TABLE, &DeadLetterItem::write(letter))?;
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        match self.0.put(Put { table: TABLE, item, condition }).await {
            Ok(()) | Err(TableError::ConditionFailed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Saves a dead letter that was read at version `letter.version`. Answers whether nobody changed it in
    /// between.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, letter: &DeadLetter) -> Result<bool, TableError> {
        let condition = Expression::new("version = :version").number_value(":version", letter.version);
        let next = DeadLetter { version: letter.version + 1, ..letter.clone() };
        let item = encode(TABLE, &DeadLetterItem::write(&next))?;
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(true),
            Err(TableError::ConditionFailed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A tenant's dead letter.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, id: DeadLetterId) -> Result<Option<DeadLetter>, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant), id.to_string()), true).await?;
        item.map(|item| read_item(tenant, item)).transpose()
    }
}
