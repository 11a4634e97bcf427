//! How fast parked deliveries go on: no faster than the endpoint takes deliveries at other times.

use std::time::Duration;

use postrider_domain::Endpoint;

use crate::ports::queue::MAX_DELAY;

/// How many deliveries one message releases at the most before it hands on to the next, unless the endpoint takes more
/// in the second that a portion lasts at least.
const CHUNK: u64 = 100;

/// How many it releases at the very most, however fast the endpoint is: what a function has time for.
const LARGEST_CHUNK: u64 = 1_000;

/// How the deliveries of a portion are spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// From one delivery to the next.
    interval: Duration,
}

impl Pace {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self { interval: Duration::from_nanos(endpoint.rate_limit.interval()) }
    }

    /// How many deliveries a portion has: what goes on within the longest delay of a message, at the most.
    pub(super) fn portion(self) -> usize {
        let fit = |time: Duration| (time.as_nanos() / self.interval.as_nanos().max(1)) as u64;
        let most = fit(Duration::from_secs(1)).clamp(CHUNK, LARGEST_CHUNK);
        fit(MAX_DELAY).clamp(1, most) as usize
    }

    /// For how long the message of a delivery of a portion is delayed. SQS counts whole seconds.
    pub(super) fn delay(self, place: usize) -> Duration {
        Duration::from_secs(self.interval.saturating_mul(place as u32).as_secs())
    }

    /// How long a portion of so many takes.
    pub(super) fn duration(self, deliveries: usize) -> Duration {
        let whole = self.interval.saturating_mul(deliveries as u32);
        Duration::from_secs(whole.as_nanos().div_ceil(1_000_000_000) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_the_rate() {
        for per_second in [1, 3, 7, 100, 250, 1000] {
            let pace = Pace { interval: Duration::from_secs(1) / per_second };
            let portion = pace.portion();
            let mut seconds = std::collections::BTreeMap::<u64, u32>::new();
            for round in 0..5 {
                let begin = pace.duration(portion).as_secs() * round;
                for place in 0..portion {
                    *seconds.entry(begin + pace.delay(place).as_secs()).or_default() += 1;
                }
            }
            assert!(seconds.values().all(|count| *count <= per_second + 1), "{per_second}: {seconds:?}");
            assert_eq!(portion as u32, per_second.max(100).min(per_second * 900));
            assert!(pace.delay(portion) <= MAX_DELAY);
        }
    }
}
