//! How fast a job goes.

use std::time::Duration;

/// How many deliveries a job starts per second, at most: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u32);

/// The number is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 1000 deliveries per second")]
pub struct RateError;

/// For how much time a portion makes work.
const PORTION_SECONDS: u32 = 5;

/// How many deliveries a portion has at least, where the rate is low, and at most, where it is not above.
const PORTION: std::ops::RangeInclusive<u32> = 10..=500;

impl Default for Rate {
    fn default() -> Self {
        Self(100)
    }
}

impl Rate {
    /// So many deliveries per second.
    ///
    /// # Errors
    /// When there are too few or too many.
    pub const fn new(per_second: u32) -> Result<Self, RateError> {
        if per_second >= 1 && per_second <= 1000 { Ok(Self(per_second)) } else { Err(RateError) }
    }

    /// Deliveries per second.
    pub const fn per_second(self) -> u32 {
        self.0
    }

    /// How many deliveries one portion starts: for five seconds, and never less than for one, because queues count
    /// delays in whole seconds.
    pub fn portion(self) -> usize {
        let count = (self.0 * PORTION_SECONDS).clamp(*PORTION.start(), *PORTION.end()).max(self.0);
        count as usize
    }

    /// How long the delivery with an index within its portion, from 0, waits.
    pub fn delay(self, index: usize) -> Duration {
        self.time_for(index as u64)
    }

    /// How long it takes to start so many deliveries.
    pub fn time_for(self, count: u64) -> Duration {
        Duration::from_millis(count.saturating_mul(1000) / u64::from(self.0))
    }
}
