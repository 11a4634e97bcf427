//! Hours of the clock in UTC, by which what was accepted is reconciled.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Timestamp;

/// The milliseconds of an hour.
const LENGTH: u64 = 60 * 60 * 1_000;

/// How many characters of a time tell its hour: `2026-01-31T12`.
const CHARACTERS: usize = 13;

/// How long after its end an hour is looked at first: what was accepted last is on its way by then.
const SETTLED_AFTER: Duration = Duration::from_secs(15 * 60);

/// An hour, known by the time at which it begins. Written as `2026-01-31T12`, which sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u64);

/// The text is no hour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an hour such as 2026-01-31T12")]
pub struct HourError;

impl Hour {
    /// The hour in which a moment lies.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis() / LENGTH)
    }

    /// The first hour that does not begin before a moment.
    pub const fn first_from(at: Timestamp) -> Self {
        Self(at.as_millis().div_ceil(LENGTH))
    }

    /// Its first moment.
    pub const fn begins_at(self) -> Timestamp {
        Timestamp::from_millis(self.0 * LENGTH)
    }

    /// The first moment after it.
    pub const fn ends_at(self) -> Timestamp {
        self.next().begins_at()
    }

    /// When it is looked at first.
    pub fn settled_at(self) -> Timestamp {
        self.ends_at().after(SETTLED_AFTER)
    }

    /// The hour after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The hour before it; `None` before the first of all.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.begins_at().to_string();
        f.write_str(text.get(..CHARACTERS).unwrap_or_default())
    }
}

impl FromStr for Hour {
    type Err = HourError;

    fn from_str(text: &str) -> Result<Self, HourError> {
        let hour = Timestamp::parse(&format!("{text}:00:00Z")).map(Self::of).map_err(|_| HourError)?;
        // In the one spelling that is written here.
        if hour.to_string() == text { Ok(hour) } else { Err(HourError) }
    }
}
