//! The id of an event: the publisher's, or made here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ulid::{ULID_LEN, Ulid};

use super::IdError;

/// The prefix of ids that are made here: what follows is a ULID, so such ids sort by time.
const GENERATED: &str = "evt_";

/// An event's id: `[A-Za-z0-9_:-]{1,128}`. No dot, because the id is part of the text that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Arc<str>);

impl EventId {
    /// An id for an event whose publisher gave none.
    pub fn generated(ulid: Ulid) -> Self {
        Self([GENERATED, ulid.array_to_str(&mut [0; ULID_LEN])].concat().into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ULID inside an id that was made here; `None` for a publisher's own id.
    pub fn as_generated(&self) -> Option<Ulid> {
        canonical_ulid(self.0.strip_prefix(GENERATED)?)
    }
}

/// Reads a ULID in the one spelling that is written here: 26 upper-case characters.
pub(super) fn canonical_ulid(text: &str) -> Option<Ulid> {
    let ulid = Ulid::from_string(text).ok()?;
    (ulid.array_to_str(&mut [0; ULID_LEN]) == text).then_some(ulid)
}

impl From<&EventId> for Arc<str> {
    /// The id's text, without a copy.
    fn from(id: &EventId) -> Self {
        Self::clone(&id.0)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        if !(1..=128).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(IdError {
                expected: "an event id has 1 to 128 letters, digits, '_', ':' or '-' (no dot: the id is part of the signed text)",
            });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
