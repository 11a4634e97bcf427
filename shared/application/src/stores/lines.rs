//! How far the deliveries of ordered endpoints have come, and who is at them: one item for each endpoint. Every
//! change states the version that it knows.

use std::sync::Arc;

use postrider_domain::id::Ulid;
use postrider_domain::{DeliveryId, EndpointId, InOrder, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::circuits::partition;
use super::delivery_item::{RETENTION, TABLE, place_of};
use super::item::{decode, encode, invalid};
use crate::ports::table::{Expression, Item, Key, Put, Table, TableError};

const SORT_KEY: &str = "LINE";

/// Who is at the deliveries of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineWorker {
    /// The delivery whose message it holds.
    pub delivery: DeliveryId,
    /// Since when.
    pub since: Timestamp,
    /// When it is taken to have died.
    pub until: Timestamp,
}

/// The delivery that holds back the others, because it is being tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// The delivery.
    pub by: DeliveryId,
    /// Since when.
    pub since: Timestamp,
}

/// The line of an ordered endpoint's deliveries, by the time at which their events were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Up to here, inclusive, nothing waits that belongs into the line.
    pub done_to: Ulid,
    /// From where on the last worker dealt with it. Somebody has to look once more for what came in between.
    pub from: Ulid,
    /// Who is at it.
    pub worker: Option<LineWorker>,
    /// What holds back the others.
    pub blocked: Option<Blocked>,
    /// The message of the first one is on its way and comes at this moment.
    pub comes_at: Option<Timestamp>,
    /// Counts changes; 0 of a line that nobody has taken yet.
    pub version: u64,
}

impl Line {
    /// The line of an endpoint that is ordered since a moment, before anything was delivered.
    pub const fn from(since: Timestamp) -> Self {
        let done_to = Ulid::from_parts(since.as_millis(), 0);
        Self { done_to, from: done_to, worker: None, blocked: None, comes_at: None, version: 0 }
    }
}

/// What writing a line came to.
#[derive(Debug)]
pub enum Written {
    /// It is written: this is how it stands.
    Yes(Line),
    /// Somebody changed it in between: this is how it stands.
    Changed(Line),
}

#[derive(Serialize, Deserialize)]
struct LineItem {
    pk: String,
    sk: String,
    done_to: String,
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker: Option<WorkerForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<BlockedForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comes_at: Option<u64>,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL: no delivery waits for longer.
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct WorkerForm {
    delivery: String,
    since: u64,
    until: u64,
}

#[derive(Serialize, Deserialize)]
struct BlockedForm {
    by: String,
    since: u64,
}

/// The lines of ordered endpoints.
#[derive(Clone)]
pub struct Lines(Arc<dyn Table>);

impl Lines {
    /// The lines in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// An endpoint's line.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        in_order: &InOrder,
    ) -> Result<Line, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant, endpoint), SORT_KEY), true).await?;
        read(item, in_order)
    }

    /// Writes an endpoint's line over the version that was read.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn write(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        in_order: &InOrder,
        line: &Line,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let condition = match line.version {
            0 => Expression::new("attribute_not_exists(pk)"),
            version => Expression::new("version = :version").number_value(":version", version),
        };
        let after = Line { version: line.version + 1, ..*line };
        let item = encode(TABLE, &form(tenant, endpoint, &after, now))?;
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(Written::Yes(after)),
            Err(TableError::ConditionFailed { current }) => {
                Ok(Written::Changed(read(current.map(|item| *item), in_order)?))
            }
            Err(error) => Err(error),
        }
    }
}

fn form(tenant: &TenantId, endpoint: EndpointId, line: &Line, now: Timestamp) -> LineItem {
    LineItem {
        pk: partition(tenant, endpoint),
        sk: SORT_KEY.to_owned(),
        done_to: line.done_to.to_string(),
        from: line.from.to_string(),
        worker: line.worker.map(|worker| WorkerForm {
            delivery: worker.delivery.to_string(),
            since: worker.since.as_millis(),
            until: worker.until.as_millis(),
        }),
        blocked: line
            .blocked
            .map(|blocked| BlockedForm { by: blocked.by.to_string(), since: blocked.since.as_millis() }),
        comes_at: line.comes_at.map(Timestamp::as_millis),
        version: line.version,
        expires_at: now.after(RETENTION).as_seconds(),
    }
}

/// A line as it is written, or as it begins. What an endpoint had before it was ordered anew is over.
fn read(item: Option<Item>, in_order: &InOrder) -> Result<Line, TableError> {
    let begin = Line::from(in_order.since);
    let Some(item) = item else { return Ok(begin) };
    let item: LineItem = decode(TABLE, item)?;
    let id = |text: String| text.parse().map_err(|error| invalid(TABLE, error));
    let worker = item.worker.map(|worker| {
        Ok::<_, TableError>(LineWorker {
            delivery: id(worker.delivery)?,
            since: Timestamp::from_millis(worker.since),
            until: Timestamp::from_millis(worker.until),
        })
    });
    let blocked = item.blocked.map(|blocked| {
        Ok::<_, TableError>(Blocked { by: id(blocked.by)?, since: Timestamp::from_millis(blocked.since) })
    });
    Ok(Line {
        done_to: place_of(&item.done_to)?.max(begin.done_to),
        from: place_of(&item.from)?.max(begin.from),
        worker: worker.transpose()?,
        blocked: blocked.transpose()?,
        comes_at: item.comes_at.map(Timestamp::from_millis),
        version: item.version,
    })
}
