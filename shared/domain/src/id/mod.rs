//! Identifiers: each kind its own type, checked when it is read.
//!
//! Ids that Postrider makes carry a prefix that says what they name, followed by a ULID, so that their text
//! sorts by time of creation and can be queried as a range.

mod event_id;
mod prefixed;
mod tenant_id;

use std::fmt;

pub use event_id::EventId;
pub use prefixed::{DeadLetterId, DeliveryId, EndpointId, JobId, KeyId};
pub use tenant_id::TenantId;
pub use ulid::{ULID_LEN, Ulid};

/// The most bytes that come before the ULIDs of an id.
const LONGEST_PREFIX: usize = 4;

/// Writes an id's prefix and its ULIDs in one piece, so that the text of an id is made with one allocation.
fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, ulids: &[Ulid]) -> fmt::Result {
    let mut text = [0; LONGEST_PREFIX + 2 * ULID_LEN];
    let (head, rest) = text.split_at_mut(prefix.len());
    head.copy_from_slice(prefix.as_bytes());
    for (ulid, place) in ulids.iter().zip(rest.as_chunks_mut().0) {
        ulid.array_to_str(place);
    }
    let text = &text[..prefix.len() + ulids.len() * ULID_LEN];
    f.write_str(str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct IdError {
    /// What an id of this kind looks like.
    expected: &'static str,
}

#[cfg(test)]
mod tests;
