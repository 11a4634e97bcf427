//! What the body of a request is made of.

use std::time::Duration;

use postrider_domain::FieldProblem;

use crate::fields::Fields;

/// For how long a link is good, in seconds, when the endpoint says nothing: a week.
const DEFAULT_LINK_TTL: u64 = 7 * 24 * 60 * 60;

/// The shortest: a receiver that is slow still follows it.
const MIN_LINK_TTL: u64 = 60;

/// The longest: as long as an event is kept.
const MAX_LINK_TTL: u64 = 30 * 24 * 60 * 60;

/// The fields `payload` and `link_ttl_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::webhook) enum Payload {
    /// `{"id", "type", "timestamp", "data"}`.
    Envelope,
    /// The event's data alone.
    Data,
    /// `{"id", "type", "timestamp", "data_url", "data_url_expires_at", "data_bytes"}`.
    Thin {
        /// For how long the link is good.
        link_ttl: Duration,
    },
}

impl Payload {
    pub(super) fn read(fields: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Self {
        let link_ttl = read_link_ttl(fields, problems);
        let thin = Self::Thin { link_ttl: Duration::from_secs(link_ttl.unwrap_or(DEFAULT_LINK_TTL)) };
        let payloads = [("envelope", Self::Envelope), ("data", Self::Data), ("thin", thin)];
        let payload = fields.choice("payload", &payloads, problems).unwrap_or(Self::Envelope);
        if link_ttl.is_some() && payload != thin {
            let message = "is for the payload thin only, which has a link; null removes it";
            problems.push(fields.problem("link_ttl_seconds", message));
        }
        payload
    }

    /// For how long the link is good that is sent in place of the data, if one is.
    pub(in crate::webhook) const fn link_ttl(self) -> Option<Duration> {
        match self {
            Self::Thin { link_ttl } => Some(link_ttl),
            Self::Envelope | Self::Data => None,
        }
    }
}

/// `None` when the field is absent or wrong.
fn read_link_ttl(fields: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Option<u64> {
    let value = fields.get("link_ttl_seconds")?;
    let seconds = value.as_u64().filter(|seconds| (MIN_LINK_TTL..=MAX_LINK_TTL).contains(seconds));
    if seconds.is_none() {
        let message = format!("must be a whole number from {MIN_LINK_TTL} to {MAX_LINK_TTL}");
        problems.push(fields.problem("link_ttl_seconds", message));
    }
    seconds
}
