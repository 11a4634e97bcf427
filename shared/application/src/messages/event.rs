//! An event inside a message, with its data while that is small.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use postrider_domain::event::Audience;
use postrider_domain::{Event, EventId, EventType, Lane, Priority, TenantId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::{JsonText, MessageError};

/// The largest data in bytes that travels in messages and lies in the event's item. Larger data is kept as a
/// blob: from 8 KB on, storing it there costs less than DynamoDB's write units ($0.625 per million and KB
/// against $5 per million), and a message stays within one of SQS's 64 KB chunks.
pub const MAX_INLINE_BYTES: usize = 16 * 1024;

/// An event's data, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The JSON text, as it came.
    Inline(JsonText),
    /// The key of a blob that holds it, and its size in bytes.
    Stored {
        /// The blob's key.
        key: String,
        /// Its size in bytes.
        size: u64,
    },
}

impl Payload {
    /// The size of the data in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(data) => data.as_str().len() as u64,
            Self::Stored { size, .. } => *size,
        }
    }
}

/// An event as it is written into messages and items.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WireEvent {
    #[serde(with = "super::as_text")]
    id: EventId,
    #[serde(rename = "type", with = "super::as_text")]
    event_type: EventType,
    accepted_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "WireAudience::is_subscribers")]
    audience: WireAudience,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deliver_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    /// `null` is data like any other.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    data: Option<JsonText>,
    /// In place of `data` where that has characters which SQS refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<WireBlob>,
}

/// Tells data that is `null` from none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonText>, D::Error> {
    JsonText::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireAudience {
    #[default]
    Subscribers,
    Defaults,
    Endpoints(Vec<String>),
}

impl WireAudience {
    fn is_subscribers(&self) -> bool {
        *self == Self::Subscribers
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WireBlob {
    key: String,
    size: u64,
}

impl WireEvent {
    /// Writes an event.
    pub fn new(event: &Event, payload: &Payload) -> Self {
        let mut wire = Self {
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            accepted_at: event.accepted_at.as_millis(),
            occurred_at: event.occurred_at.map(Timestamp::as_millis),
            source: event.source.clone(),
            correlation_id: event.correlation_id.clone(),
            tags: event.tags.clone(),
            audience: match &event.audience {
                Audience::Subscribers => WireAudience::Subscribers,
                Audience::Defaults => WireAudience::Defaults,
                Audience::Endpoints(ids) => {
                    WireAudience::Endpoints(ids.iter().map(ToString::to_string).collect())
                }
            },
            deliver_at: event.deliver_at.map(Timestamp::as_millis),
            priority: (event.priority != Priority::default()).then(|| event.priority.as_number().into()),
            data: None,
            data_base64: None,
            blob: None,
        };
        match payload {
            Payload::Stored { key, size } => wire.blob = Some(WireBlob { key: key.clone(), size: *size }),
            Payload::Inline(data) if is_allowed_by_sqs(data.as_str()) => wire.data = Some(data.clone()),
            Payload::Inline(data) => wire.data_base64 = Some(BASE64.encode(data)),
        }
        wire
    }

    /// The event as JSON text.
    pub(crate) fn text(&self) -> String {
        super::write(self, Some(self))
    }

    /// The size in bytes of the data as it is written.
    pub(super) fn data_size(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.as_str().len())
            + self.data_base64.as_ref().map_or(0, String::len)
    }

    /// The lane of the event's deliveries.
    pub fn lane(&self) -> Lane {
        let priority = self.priority.and_then(|number| Priority::try_from(number).ok());
        priority.unwrap_or_default().lane()
    }

    /// Reads an event of this tenant.
    ///
    /// # Errors
    /// When a field does not hold what it should.
    pub fn read(&self, tenant: &TenantId) -> Result<(Event, Payload), MessageError> {
        let audience = match &self.audience {
            WireAudience::Subscribers => Audience::Subscribers,
            WireAudience::Defaults => Audience::Defaults,
            WireAudience::Endpoints(ids) => {
                let ids: Result<_, _> = ids.iter().map(|id| id.parse()).collect();
                Audience::Endpoints(ids.map_err(MessageError::new)?)
            }
        };
        let payload = match (&self.data, &self.data_base64, &self.blob) {
            (Some(data), None, None) => Payload::Inline(data.clone()),
            (None, Some(data), None) => {
                let text = BASE64.decode(data).map_err(MessageError::new)?;
                Payload::Inline(String::from_utf8(text).map_err(MessageError::new)?.try_into()?)
            }
            (None, None, Some(blob)) => Payload::Stored { key: blob.key.clone(), size: blob.size },
            _ => return Err(MessageError::new("there must be one of data, data_base64 and blob")),
        };
        let priority = self.priority.map(Priority::try_from).transpose().map_err(MessageError::new)?;
        let priority = priority.unwrap_or_default();
        let event = Event {
            tenant: tenant.clone(),
            id: self.id.clone(),
            event_type: self.event_type.clone(),
            accepted_at: Timestamp::from_millis(self.accepted_at),
            occurred_at: self.occurred_at.map(Timestamp::from_millis),
            source: self.source.clone(),
            correlation_id: self.correlation_id.clone(),
            tags: self.tags.clone(),
            audience,
            deliver_at: self.deliver_at.map(Timestamp::from_millis),
            priority,
        };
        Ok((event, payload))
    }
}

/// Whether SQS takes a text in a message (API reference, `SendMessage`, `MessageBody`): no control characters
/// but tab and the ends of lines, and neither U+FFFE nor U+FFFF. This runs over every payload, so it looks at
/// bytes, and at all of them without a branch, which lets the processor take many at a time.
fn is_allowed_by_sqs(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_plain = |byte: u8| (byte >= 0x20) | (byte == b'\t') | (byte == b'\n') | (byte == b'\r');
    let non_character = |window: &[u8]| matches!(window, [0xef, 0xbf, 0xbe | 0xbf]);
    bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte))
        && !(bytes.contains(&0xef) && bytes.windows(3).any(non_character))
}
