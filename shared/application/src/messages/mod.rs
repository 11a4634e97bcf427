//! Queue messages, as they are written: version 1.
//!
//! A field may be added when older readers can do without it; anything else is a new version.

mod as_text;
mod body;
mod channel;
mod event;
mod events;
mod json_text;

pub use body::Body;
pub use channel::{ChannelMessage, DeliverMessage, GivenUpMessage};
pub use event::{MAX_INLINE_BYTES, Payload, WireEvent};
pub use events::{EventsMessage, FanOutMessage, JobMessage, Progress, ReleaseMessage, SkipMessage};
pub use json_text::JsonText;

/// The body of a message cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the message cannot be read: {0}")]
pub struct MessageError(String);

impl MessageError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// What most messages have around an event's data, in bytes: with room for it, their text need not be moved while
/// it grows.
const AROUND_DATA: usize = 512;

/// The version of every message that is written here.
const VERSION: u32 = 1;

/// Refuses what a newer Postrider has written: it may mean something else.
fn check_version(version: u32) -> Result<(), MessageError> {
    if version == VERSION {
        return Ok(());
    }
    Err(MessageError::new(format!("version {version} is not known here, only {VERSION}")))
}

/// Writes a message. The types have no map with keys that are not text, the only thing that could fail.
fn write<T: serde::Serialize>(message: &T, event: Option<&WireEvent>) -> String {
    let mut text = Vec::with_capacity(AROUND_DATA + event.map_or(0, WireEvent::data_size));
    if serde_json::to_writer(&mut text, message).is_err() {
        text.clear();
    }
    // What serde_json writes is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
