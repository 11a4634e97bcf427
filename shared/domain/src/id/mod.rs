//! Identifiers: each kind its own type, checked when it is read.
//!
//! Ids that Postrider makes carry a prefix that says what they name, followed by a ULID, so that their text
//! sorts by time of creation and can be queried as a range.

mod event_id;
mod prefixed;
mod tenant_id;

pub use event_id::EventId;
pub use prefixed::{DeadLetterId, DeliveryId, EndpointId, JobId, KeyId};
pub use tenant_id::TenantId;
pub use ulid::Ulid;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct IdError {
    /// What an id of this kind looks like.
    expected: &'static str,
}

#[cfg(test)]
mod tests;
