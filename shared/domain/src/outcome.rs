//! What an attempt came to, and what follows from it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{RetryPolicy, Timestamp};

/// What one attempt came to, as the channel judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It may work later: network trouble, a time-out, 408, 425, 429, 5xx.
    Retry,
    /// It will not work however often it is tried: another 4xx, a redirect, a refused address.
    Rejected,
    /// The receiver wants nothing more (410): the endpoint is to be disabled.
    Gone,
}

/// The text names no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an outcome is delivered, retry, rejected or gone")]
pub struct UnknownOutcome;

impl Outcome {
    /// The outcome as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Rejected => "rejected",
            Self::Gone => "gone",
        }
    }

    /// What follows from the outcome of attempt `attempts` (counted from 1 within the delivery's present
    /// budget) that ended at `now`. `random` is at least 0 and less than 1.
    pub fn verdict(
        self,
        policy: &RetryPolicy,
        attempts: u32,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: f64,
    ) -> Verdict {
        match self {
            Self::Delivered => Verdict::Delivered,
            Self::Rejected => Verdict::Failed(FailureReason::Rejected),
            Self::Gone => Verdict::Failed(FailureReason::Gone),
            Self::Retry => match policy.wait(attempts, retry_after, random) {
                Some(wait) => Verdict::Retry { at: now.after(wait) },
                None => Verdict::Failed(FailureReason::Exhausted),
            },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Delivered, Self::Retry, Self::Rejected, Self::Gone]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or(UnknownOutcome)
    }
}

/// What happens to a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Delivered,
    /// It is tried again.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// It becomes a dead letter.
    Failed(FailureReason),
}

/// Why a delivery became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// Every attempt that the policy allows has failed.
    Exhausted,
    /// The receiver or the configuration rules success out.
    Rejected,
    /// The receiver answered 410.
    Gone,
    /// The queue gave the message up after handing it out too often without success.
    Poisoned,
    /// The message cannot be read, so nothing is known of what was to be done.
    Unreadable,
}

/// The text names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reason is exhausted, rejected, gone, poisoned or unreadable")]
pub struct UnknownReason;

impl FailureReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Exhausted, Self::Rejected, Self::Gone, Self::Poisoned, Self::Unreadable];

    /// The reason as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Rejected => "rejected",
            Self::Gone => "gone",
            Self::Poisoned => "poisoned",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_leads_to_a_verdict() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let now = Timestamp::from_millis(10_000);
        let verdict = |outcome: Outcome, attempts| outcome.verdict(&policy, attempts, None, now, 0.5);
        assert_eq!(verdict(Outcome::Delivered, 1), Verdict::Delivered);
        assert_eq!(verdict(Outcome::Retry, 2), Verdict::Retry { at: Timestamp::from_millis(12_000) });
        assert_eq!(verdict(Outcome::Retry, 5), Verdict::Failed(FailureReason::Exhausted));
        assert_eq!(verdict(Outcome::Rejected, 1), Verdict::Failed(FailureReason::Rejected));
        assert_eq!(verdict(Outcome::Gone, 1), Verdict::Failed(FailureReason::Gone));
    }
}
