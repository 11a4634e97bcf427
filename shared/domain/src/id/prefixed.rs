//! Ids that are made here: a prefix and one or two ULIDs.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::event_id::canonical_ulid;
use super::{EventId, IdError, write_id};
use crate::Timestamp;

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            /// Wraps a new ULID.
            pub const fn new(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The ULID without the prefix.
            pub const fn ulid(self) -> Ulid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix)
                    .and_then(canonical_ulid)
                    .map(Self)
                    .ok_or(IdError { expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, &[self.0])
            }
        }
    };
}

prefixed_id!(
    /// An endpoint's id.
    EndpointId,
    "ep_",
    "an endpoint id is ep_ and 26 characters, as the API gave it"
);
prefixed_id!(
    /// An API key's id: its public part.
    KeyId,
    "key_",
    "a key id is key_ and 26 characters, as the API gave it"
);
prefixed_id!(
    /// A dead letter's id.
    DeadLetterId,
    "dl_",
    "a dead letter id is dl_ and 26 characters, as the API gave it"
);

prefixed_id!(
    /// A job's id.
    JobId,
    "job_",
    "a job id is job_ and 26 characters, as the API gave it"
);

impl KeyId {
    /// The id that has this text after its prefix, as the text of a key has it.
    pub fn from_unprefixed(text: &str) -> Option<Self> {
        canonical_ulid(text).map(Self)
    }
}

impl DeadLetterId {
    /// The id of the dead letter that a delivery became at `at`: the same on every repetition, so that
    /// recording it twice is recording it once.
    pub fn derive(at: Timestamp, subject: &str) -> Self {
        Self(derived_ulid(at, subject))
    }
}

/// A delivery's id. It can be derived from the event and the endpoint, sorts by the time at which the event
/// was accepted, and holds the key under which the delivery is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    event: Ulid,
    endpoint: EndpointId,
}

impl DeliveryId {
    /// The id of the delivery of the event that was accepted at `accepted_at` to `endpoint`.
    pub fn derive(accepted_at: Timestamp, event: &EventId, endpoint: EndpointId) -> Self {
        Self { event: Self::event_part_of(accepted_at, event), endpoint }
    }

    /// The part of the ids of an event's deliveries that stands for the event.
    pub fn event_part_of(accepted_at: Timestamp, event: &EventId) -> Ulid {
        derived_ulid(accepted_at, event.as_str())
    }

    /// The delivery whose parts were read from a key.
    pub const fn from_parts(event: Ulid, endpoint: EndpointId) -> Self {
        Self { event, endpoint }
    }

    /// The part that stands for the event: its time of acceptance and a hash of its id.
    pub const fn event_part(self) -> Ulid {
        self.event
    }

    /// The endpoint that the delivery is for.
    pub const fn endpoint(self) -> EndpointId {
        self.endpoint
    }
}

/// A ULID of a time and the first 80 bits of a hash in place of randomness.
fn derived_ulid(at: Timestamp, subject: &str) -> Ulid {
    let digest = Sha256::digest(subject.as_bytes());
    let hash = digest.iter().take(10).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    Ulid::from_parts(at.as_millis(), hash)
}

impl FromStr for DeliveryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix("dlv_").and_then(|rest| rest.split_at_checked(26));
        parts
            .and_then(|(event, endpoint)| Some((canonical_ulid(event)?, canonical_ulid(endpoint)?)))
            .map(|(event, endpoint)| Self { event, endpoint: EndpointId::new(endpoint) })
            .ok_or(IdError { expected: "a delivery id is dlv_ and 52 characters, as the API gave it" })
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, "dlv_", &[self.event, self.endpoint.ulid()])
    }
}
