//! Messages that cannot be read, not even whose they are: kept for the platform's operator.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{DeadLetterId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode, invalid, text};
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, Key, Put, Query, Table, TableError, TableName};

const TABLE: TableName = TableName::Ledger;
const PARTITION: &str = "UNREADABLE";

/// How long one is kept.
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableMessage {
    /// Sorts by time, to the hour.
    pub id: DeadLetterId,
    /// Why it cannot be read.
    pub error: String,
    /// The beginning of it.
    pub message: String,
    /// When it was given up.
    pub created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct UnreadableItem {
    pk: String,
    sk: String,
    error: String,
    message: String,
    created_at: u64,
    expires_at: u64,
}

impl UnreadableItem {
    fn read(self) -> Result<UnreadableMessage, TableError> {
        Ok(UnreadableMessage {
            id: self.sk.parse().map_err(|error| invalid(TABLE, error))?,
            error: self.error,
            message: self.message,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

/// The messages that cannot be read.
#[derive(Clone)]
pub struct Unreadable(Arc<dyn Table>);

impl Unreadable {
    /// The messages in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Adds a message; adding it again changes nothing.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, message: &UnreadableMessage) -> Result<(), TableError> {
        let item = UnreadableItem {
            pk: PARTITION.to_owned(),
            sk: message.id.to_string(),
            error: message.error.clone(),
            message: message.message.clone(),
            created_at: message.created_at.as_millis(),
            expires_at: message.created_at.after(RETENTION).as_seconds(),
        };
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        match self.0.put(Put { table: TABLE, item: encode(TABLE, &item)?, condition }).await {
            Ok(()) | Err(TableError::ConditionFailed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The messages, the latest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self, request: PageRequest) -> Result<Paged<UnreadableMessage>, TableError> {
        let query = Query {
            ascending: false,
            limit: Some(request.limit as u32),
            start: request.after.map(|id| Key::new(PARTITION, id).into_item()),
            consistent: true,
            ..Query::partition(TABLE, PARTITION)
        };
        let page = self.0.query(query).await?;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        let read = |item| decode::<UnreadableItem>(TABLE, item)?.read();
        let items: Result<_, _> = page.items.into_iter().map(read).collect();
        Ok(Paged { items: items?, next })
    }
}
