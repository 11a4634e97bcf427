//! How far the parked deliveries of an endpoint have been let go on, or skipped: one item for each endpoint,
//! written once for each portion.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{DeliveryId, EndpointId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::circuits::partition;
use super::delivery_item::{RETENTION, TABLE};
use super::item::{decode, encode, invalid};
use crate::ports::table::{Expression, Item, Key, Put, Table, TableError};

const SORT_KEY: &str = "DRAIN";

/// How often a change is tried again when others change the item at the same time.
const TRIES: usize = 10;

/// What is being done with parked deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrainState {
    /// Nothing.
    #[default]
    Idle,
    /// They go on.
    Draining,
    /// They are cancelled.
    Skipping,
}

impl DrainState {
    /// The state as the API and the table write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Draining => "draining",
            Self::Skipping => "skipping",
        }
    }
}

/// The latest drain of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drain {
    /// Counts the drains of the endpoint: a later one takes over from an earlier one.
    pub number: u64,
    /// What is being done.
    pub state: DrainState,
    /// The last delivery of the portions that are done.
    pub after: Option<DeliveryId>,
    /// How many deliveries went on or were skipped.
    pub released: u64,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When the last delivery was reached; `None` when it was stopped before.
    pub finished_at: Option<Timestamp>,
    /// What was parked by then stays parked until a person says otherwise.
    pub kept_at: Option<Timestamp>,
    /// When anything about it was changed last.
    pub changed_at: Option<Timestamp>,
    version: u64,
}

impl Drain {
    /// Begins another one.
    pub fn begin(&mut self, state: DrainState, now: Timestamp) {
        *self = Self {
            number: self.number + 1,
            state,
            started_at: Some(now),
            kept_at: self.kept_at,
            version: self.version,
            ..Self::default()
        };
    }

    /// Whether somebody was at it within this time: then messages for what is still parked may be on their way.
    pub fn is_recent(&self, now: Timestamp, within: Duration) -> bool {
        self.changed_at.is_some_and(|at| now.since(at) < within)
    }

    /// A portion is done, up to a delivery. A portion that was counted is not counted again.
    pub fn advance(&mut self, released: u64, last: DeliveryId) {
        if self.after.is_none_or(|after| after < last) {
            self.after = Some(last);
            self.released += released;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DrainItem {
    pk: String,
    sk: String,
    number: u64,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    released: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<u64>,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL: nothing stays parked for longer.
    expires_at: u64,
}

/// The drains of endpoints.
#[derive(Clone)]
pub struct Drains(Arc<dyn Table>);

impl Drains {
    /// The drains in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// An endpoint's latest drain.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, endpoint: EndpointId) -> Result<Drain, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant, endpoint), SORT_KEY), true).await?;
        item.map_or_else(|| Ok(Drain::default()), read)
    }

    /// Changes an endpoint's drain, unless `change` says that there is nothing to change. Answers it as it stands.
    ///
    /// # Errors
    /// When the table cannot be read or written, or others kept changing it.
    pub async fn change(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        now: Timestamp,
        mut change: impl FnMut(&mut Drain) -> bool,
    ) -> Result<Drain, TableError> {
        let mut before = self.get(tenant, endpoint).await?;
        for _ in 0..TRIES {
            let mut after = before.clone();
            if !change(&mut after) {
                return Ok(before);
            }
            after.version += 1;
            after.changed_at = Some(now);
            let item = encode(TABLE, &write(tenant, endpoint, &after, now))?;
            let condition = match before.version {
                0 => Expression::new("attribute_not_exists(pk)"),
                version => Expression::new("version = :version").number_value(":version", version),
            };
            match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
                Ok(()) => return Ok(after),
                Err(TableError::ConditionFailed { current }) => {
                    before = current.map_or_else(|| Ok(Drain::default()), |item| read(*item))?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(TableError::Conflict)
    }
}

fn write(tenant: &TenantId, endpoint: EndpointId, drain: &Drain, now: Timestamp) -> DrainItem {
    DrainItem {
        pk: partition(tenant, endpoint),
        sk: SORT_KEY.to_owned(),
        number: drain.number,
        state: drain.state.as_str().to_owned(),
        after: drain.after.map(|id| id.to_string()),
        released: drain.released,
        started_at: drain.started_at.map(Timestamp::as_millis),
        finished_at: drain.finished_at.map(Timestamp::as_millis),
        kept_at: drain.kept_at.map(Timestamp::as_millis),
        changed_at: drain.changed_at.map(Timestamp::as_millis),
        version: drain.version,
        expires_at: now.after(RETENTION).as_seconds(),
    }
}

fn read(item: Item) -> Result<Drain, TableError> {
    let item: DrainItem = decode(TABLE, item)?;
    let states = [DrainState::Idle, DrainState::Draining, DrainState::Skipping];
    let state = states.into_iter().find(|state| state.as_str() == item.state);
    let at = |millis: Option<u64>| millis.map(Timestamp::from_millis);
    Ok(Drain {
        number: item.number,
        state: state.ok_or_else(|| invalid(TABLE, "a drain is idle, draining or skipping"))?,
        after: item.after.map(|id| id.parse()).transpose().map_err(|error| invalid(TABLE, error))?,
        released: item.released,
        started_at: at(item.started_at),
        finished_at: at(item.finished_at),
        kept_at: at(item.kept_at),
        // Of one that an older version wrote, it is known when it began and ended.
        changed_at: at(item.changed_at.or(item.finished_at).or(item.started_at)),
        version: item.version,
    })
}
