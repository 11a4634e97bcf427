//! Dead letters: what was given up, until somebody redrives, resolves or discards it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, DeliveryId, EndpointId, EventId, EventType, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode, invalid, text};
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, Key, Put, Query, Table, TableError, TableName};

const TABLE: TableName = TableName::Ledger;

/// How long a dead letter is kept that nobody dealt with.
const PENDING_RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How long a dead letter is kept after somebody dealt with it.
const HANDLED_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often a list asks on for rows that the filter may let through, before it answers what it has.
const ROUNDS: usize = 10;

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterState {
    /// Nobody dealt with it.
    Pending,
    /// It is being delivered again.
    Redriven,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a dead letter's state is pending or redriven")]
pub struct UnknownState;

impl DeadLetterState {
    /// The state as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Redriven => "redriven",
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
        [Self::Pending, Self::Redriven].into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// A delivery, or an event that could not be matched, that will not be tried again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Sorts by the time of giving up.
    pub id: DeadLetterId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What became of it.
    pub state: DeadLetterState,
    /// Why it was given up.
    pub reason: FailureReason,
    /// The event.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The delivery; `None` when the event could not be matched.
    pub delivery: Option<DeliveryId>,
    /// The last error, in plain words.
    pub error: Option<String>,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// When it was given up.
    pub created_at: Timestamp,
    /// When somebody dealt with it, and who.
    pub handled: Option<(Timestamp, String)>,
    /// What they noted.
    pub note: Option<String>,
    /// Counts changes, from 1.
    pub version: u64,
}

#[derive(Serialize, Deserialize)]
struct DeadLetterItem {
    pk: String,
    sk: String,
    state: String,
    reason: String,
    event_id: String,
    event_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    attempt_count: u32,
    created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handled_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handled_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    version: u64,
    expires_at: u64,
}

fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}#DL")
}

impl DeadLetterItem {
    fn write(letter: &DeadLetter) -> Self {
        let kept = if letter.handled.is_some() { HANDLED_RETENTION } else { PENDING_RETENTION };
        let since = letter.handled.as_ref().map_or(letter.created_at, |(at, _)| *at);
        Self {
            pk: partition(&letter.tenant),
            sk: letter.id.to_string(),
            state: letter.state.to_string(),
            reason: letter.reason.as_str().to_owned(),
            event_id: letter.event_id.to_string(),
            event_type: letter.event_type.to_string(),
            delivery: letter.delivery.map(|id| id.to_string()),
            endpoint: letter.delivery.map(|id| id.endpoint().to_string()),
            error: letter.error.clone(),
            attempt_count: letter.attempt_count,
            created_at: letter.created_at.as_millis(),
            handled_at: letter.handled.as_ref().map(|(at, _)| at.as_millis()),
            handled_by: letter.handled.as_ref().map(|(_, by)| by.clone()),
            note: letter.note.clone(),
            version: letter.version,
            expires_at: since.after(kept).as_seconds(),
        }
    }

    fn read(self, tenant: &TenantId) -> Result<DeadLetter, TableError> {
        Ok(DeadLetter {
            id: self.sk.parse().map_err(|error| invalid(TABLE, error))?,
            tenant: tenant.clone(),
            state: self.state.parse().map_err(|error| invalid(TABLE, error))?,
            reason: self.reason.parse().map_err(|error| invalid(TABLE, error))?,
            event_id: self.event_id.parse().map_err(|error| invalid(TABLE, error))?,
            event_type: self.event_type.parse().map_err(|error| invalid(TABLE, error))?,
            delivery: self
                .delivery
                .map(|id| id.parse())
                .transpose()
                .map_err(|error| invalid(TABLE, error))?,
            error: self.error,
            attempt_count: self.attempt_count,
            created_at: Timestamp::from_millis(self.created_at),
            handled: self.handled_at.map(Timestamp::from_millis).zip(self.handled_by),
            note: self.note,
            version: self.version,
        })
    }
}

/// Which dead letters are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// In this state.
    pub state: Option<DeadLetterState>,
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
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
        item.map(|item| decode::<DeadLetterItem>(TABLE, item)?.read(tenant)).transpose()
    }

    /// A tenant's dead letters, the latest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &DeadLetterFilter,
        request: PageRequest,
    ) -> Result<Paged<DeadLetter>, TableError> {
        let pk = partition(tenant);
        let mut query = Query {
            filter: expression(filter),
            ascending: false,
            limit: Some(request.limit as u32),
            start: request.after.map(|id| Key::new(pk.clone(), id).into_item()),
            consistent: true,
            ..Query::partition(TABLE, pk)
        };
        let mut letters = Vec::new();
        // Several portions may be needed where the filter leaves much out.
        for _ in 0..ROUNDS {
            let page = self.0.query(query.clone()).await?;
            for item in page.items {
                letters.push(decode::<DeadLetterItem>(TABLE, item)?.read(tenant)?);
            }
            query.start = page.next;
            query.limit = Some((request.limit - letters.len()) as u32);
            if letters.len() == request.limit || query.start.is_none() {
                break;
            }
        }
        let next = query.start.as_ref().map(|key| text(key, "sk").to_owned());
        Ok(Paged { items: letters, next })
    }
}

fn expression(filter: &DeadLetterFilter) -> Option<Expression> {
    let mut conditions = Vec::new();
    let mut expression = Expression::default();
    if let Some(state) = filter.state {
        conditions.push("#state = :state");
        expression = expression.name("#state", "state").text_value(":state", state.as_str());
    }
    if let Some(endpoint) = filter.endpoint {
        conditions.push("endpoint = :endpoint");
        expression = expression.text_value(":endpoint", endpoint.to_string());
    }
    expression.text = conditions.join(" AND ");
    (!conditions.is_empty()).then_some(expression)
}
