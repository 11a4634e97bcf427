//! A request that arrived.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A request that arrived at a receiver.
#[derive(Debug)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The query, if there is one.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Which of the receiver's connections it came on.
    pub connection: u64,
    /// When all of it was there.
    pub arrived: Instant,
    pub(super) answered: OnceLock<(Instant, u16)>,
    pub(super) sent_bytes: AtomicU64,
}

/// The body of a webhook, with its data as the text it came as.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// The event's id.
    pub id: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When the event happened or was accepted.
    pub timestamp: String,
    /// The event's data.
    #[serde(borrow)]
    pub data: &'a RawValue,
}

impl Recorded {
    /// A header's value; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The event's id as the header has it.
    pub fn webhook_id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The body as a webhook's.
    #[track_caller]
    pub fn envelope(&self) -> Envelope<'_> {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// When the answer was handed over; `None` when the caller went away before.
    pub fn answered(&self) -> Option<Instant> {
        self.answered.get().map(|(at, _)| *at)
    }

    /// The status of the answer, if there was one.
    pub fn answer_status(&self) -> Option<u16> {
        self.answered.get().map(|(_, status)| *status)
    }

    /// How many bytes of an endless answer the caller has taken.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
}
