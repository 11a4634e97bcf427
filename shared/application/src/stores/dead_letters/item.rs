//! The form of a dead letter in the table.

use std::time::Duration;

use postrider_domain::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DeadLetter, Handling};
use crate::ports::table::{Item, TableError, TableName};
use crate::stores::item::{decode, invalid};

pub(super) const TABLE: TableName = TableName::Ledger;

/// How long a dead letter is kept that nobody dealt with.
const PENDING_RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How long a dead letter is kept after somebody dealt with it.
const HANDLED_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Serialize, Deserialize)]
pub(super) struct DeadLetterItem {
    pk: String,
    sk: String,
    state: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    attempt_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handled_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handled_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    version: u64,
    expires_at: u64,
}

pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}#DL")
}

pub(super) fn read_item(tenant: &TenantId, item: Item) -> Result<DeadLetter, TableError> {
    decode::<DeadLetterItem>(TABLE, item)?.read(tenant)
}

/// Reads a text that may be missing.
fn optional<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, TableError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.map(str::parse).transpose().map_err(|error| invalid(TABLE, error))
}

impl DeadLetterItem {
    pub(super) fn write(letter: &DeadLetter) -> Self {
        let handled = letter.handled.as_ref();
        let expires_at = match handled {
            Some(handled) => handled.at.after(HANDLED_RETENTION),
            None => letter.created_at.after(PENDING_RETENTION),
        };
        Self {
            pk: partition(&letter.tenant),
            sk: letter.id.to_string(),
            state: letter.state.to_string(),
            reason: letter.reason.as_str().to_owned(),
            event_id: letter.event_id.as_ref().map(ToString::to_string),
            event_type: letter.event_type.as_ref().map(ToString::to_string),
            delivery: letter.delivery.map(|id| id.to_string()),
            endpoint: letter.delivery.map(|id| id.endpoint().to_string()),
            error: letter.error.clone(),
            attempt_count: letter.attempt_count,
            message: letter.message.clone(),
            created_at: letter.created_at.as_millis(),
            handled_at: handled.map(|handled| handled.at.as_millis()),
            handled_by: handled.map(|handled| handled.by.clone()),
            note: handled.and_then(|handled| handled.note.clone()),
            job: handled.and_then(|handled| handled.job).map(|job| job.to_string()),
            version: letter.version,
            expires_at: expires_at.as_seconds(),
        }
    }

    fn read(self, tenant: &TenantId) -> Result<DeadLetter, TableError> {
        let handled = match (self.handled_at.map(Timestamp::from_millis), self.handled_by) {
            (Some(at), Some(by)) => {
                Some(Handling { at, by, note: self.note, job: optional(self.job.as_deref())? })
            }
            _ => None,
        };
        Ok(DeadLetter {
            id: self.sk.parse().map_err(|error| invalid(TABLE, error))?,
            tenant: tenant.clone(),
            state: self.state.parse().map_err(|error| invalid(TABLE, error))?,
            reason: self.reason.parse().map_err(|error| invalid(TABLE, error))?,
            event_id: optional(self.event_id.as_deref())?,
            event_type: optional(self.event_type.as_deref())?,
            delivery: optional(self.delivery.as_deref())?,
            error: self.error,
            attempt_count: self.attempt_count,
            message: self.message,
            created_at: Timestamp::from_millis(self.created_at),
            handled,
            version: self.version,
        })
    }
}
