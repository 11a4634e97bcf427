//! Messages that cannot be read: kept for the tenant, or for the operator where not even the tenant can be read.

use std::time::Duration;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, EventId, EventType, TenantId, Timestamp};
use serde_json::Value;

use super::RecordDeadLetter;
use crate::messages::MessageError;
use crate::ports::{QueueRecord, TableError};
use crate::stores::dead_letters::{DeadLetter, DeadLetterState};
use crate::stores::unreadable::UnreadableMessage;

/// How many bytes of a message are kept.
const KEPT_BYTES: usize = 4096;

/// To what the time in the id is rounded, so that a message that is recorded twice most likely has one id.
const ROUNDED_TO: Duration = Duration::from_secs(60 * 60);

/// What can be read of a message that cannot be read.
#[derive(Default)]
struct Remains {
    tenant: Option<TenantId>,
    event_id: Option<EventId>,
    event_type: Option<EventType>,
}

impl Remains {
    fn of(body: &str) -> Self {
        let Ok(Value::Object(message)) = serde_json::from_str(body) else { return Self::default() };
        let Some(content) = message.values().next() else { return Self::default() };
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let event = content.get("event").unwrap_or(&Value::Null);
        Self {
            tenant: text(content, "tenant").and_then(|text| text.parse().ok()),
            event_id: text(event, "id").and_then(|text| text.parse().ok()),
            event_type: text(event, "type").and_then(|text| text.parse().ok()),
        }
    }
}

impl RecordDeadLetter {
    pub(super) async fn unreadable(
        &self,
        record: &QueueRecord,
        error: &MessageError,
    ) -> Result<(), TableError> {
        let created_at = self.clock.now();
        let id = DeadLetterId::derive(rounded(created_at), &record.message_id);
        let text = record.body.text();
        let (error, message, remains) = (error.to_string(), beginning(&text).to_owned(), Remains::of(&text));
        let owner = match remains.tenant {
            // Of a tenant that does not exist nobody would ever look.
            Some(tenant) if self.tenants.get(&tenant).await?.is_some() => Some(tenant),
            _ => None,
        };
        let Some(tenant) = owner else {
            return self.unreadable.create(&UnreadableMessage { id, error, message, created_at }).await;
        };
        let letter = DeadLetter {
            id,
            tenant,
            state: DeadLetterState::Pending,
            reason: FailureReason::Unreadable,
            event_id: remains.event_id,
            event_type: remains.event_type,
            delivery: None,
            error: Some(error),
            attempt_count: 0,
            message: Some(message),
            created_at,
            handled: None,
            version: 1,
        };
        self.dead_letters.create(&letter).await
    }
}

fn rounded(at: Timestamp) -> Timestamp {
    let millis = u64::try_from(ROUNDED_TO.as_millis()).unwrap_or(1);
    Timestamp::from_millis(at.as_millis() / millis * millis)
}

/// The beginning of a text, not longer than what is kept.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(KEPT_BYTES)]
}
