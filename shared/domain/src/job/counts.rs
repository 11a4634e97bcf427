//! What became of the things that a job looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Why a job let something be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// The receiver has it since.
    Delivered,
    /// An attempt is to come without the job.
    UnderWay,
    /// It was given up again since, as another dead letter.
    GivenUpAgain,
    /// The endpoint was deleted.
    EndpointDeleted,
    /// The delivery is not kept any more.
    DeliveryExpired,
    /// The event is not kept any more, so there is nothing to send.
    EventExpired,
    /// The message that it came from cannot be read.
    Unreadable,
}

/// The text names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a reason for which a job skips something")]
pub struct UnknownSkipReason;

impl SkipReason {
    const ALL: [Self; 7] = [
        Self::Delivered,
        Self::UnderWay,
        Self::GivenUpAgain,
        Self::EndpointDeleted,
        Self::DeliveryExpired,
        Self::EventExpired,
        Self::Unreadable,
    ];

    /// The reason as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::UnderWay => "under_way",
            Self::GivenUpAgain => "given_up_again",
            Self::EndpointDeleted => "endpoint_deleted",
            Self::DeliveryExpired => "delivery_expired",
            Self::EventExpired => "event_expired",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SkipReason {
    type Err = UnknownSkipReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownSkipReason)
    }
}

/// How many things a job looked at, and what became of them: each was sent, skipped or failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// How many were sent.
    pub sent: u64,
    /// How many were let be, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// How many could not be sent because of a defect; the log says why.
    pub failed: u64,
}

impl Counts {
    /// How many there were in all.
    pub fn matched(&self) -> u64 {
        self.sent + self.skipped() + self.failed
    }

    /// How many were let be.
    pub fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// One more was let be.
    pub fn skip(&mut self, reason: SkipReason) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        self.sent += others.sent;
        self.failed += others.failed;
        for (reason, count) in &others.skipped {
            *self.skipped.entry(*reason).or_default() += count;
        }
    }
}
