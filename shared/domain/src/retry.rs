//! When a failed attempt is repeated.

use std::time::Duration;

use crate::FieldProblem;

/// The most attempts that a policy can ask for.
pub const MAX_ATTEMPTS: u32 = 100;

/// The longest wait between two attempts that a policy can ask for.
pub const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest wait that a receiver can ask for with `Retry-After`, unless the policy waits longer anyway.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The waits that the Standard Webhooks specification recommends, in seconds.
pub const STANDARD_WEBHOOKS: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How the wait grows from attempt to attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Backoff {
    /// Multiplied each time: `initial`, `initial * multiplier`, ... up to `max`.
    Exponential {
        /// The first wait.
        initial: Duration,
        /// What each wait is multiplied by, at least 1.
        multiplier: f64,
        /// The longest wait.
        max: Duration,
    },
    /// Grows by the same each time: `initial`, `2 * initial`, ... up to `max`.
    Linear {
        /// The first wait and the growth.
        initial: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// The same each time.
    Fixed {
        /// The wait.
        delay: Duration,
    },
    /// Given one by one.
    Schedule(Vec<Duration>),
}

/// How often and when a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How many attempts there are at most, the first one included.
    pub max_attempts: u32,
    /// How the wait grows.
    pub strategy: Backoff,
    /// How far, as a share, a wait may be shortened or lengthened at random: 0 to 1.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            strategy: Backoff::Exponential {
                initial: Duration::from_secs(1),
                multiplier: 2.0,
                max: Duration::from_secs(300),
            },
            jitter: 0.1,
        }
    }
}

impl RetryPolicy {
    /// The wait after a number of failed attempts, or `None` when there are no more. `random` is at least 0
    /// and less than 1; 0.5 leaves the wait as it is.
    pub fn delay_after(&self, failed_attempts: u32, random: f64) -> Option<Duration> {
        if failed_attempts >= self.max_attempts {
            return None;
        }
        let repetition = failed_attempts.max(1) - 1;
        let base = match &self.strategy {
            Backoff::Exponential { initial, multiplier, max } => {
                let exponent = i32::try_from(repetition).unwrap_or(i32::MAX);
                (initial.as_secs_f64() * multiplier.powi(exponent)).min(max.as_secs_f64())
            }
            Backoff::Linear { initial, max } => {
                (initial.as_secs_f64() * f64::from(repetition + 1)).min(max.as_secs_f64())
            }
            Backoff::Fixed { delay } => delay.as_secs_f64(),
            Backoff::Schedule(waits) => waits.get(repetition as usize)?.as_secs_f64(),
        };
        let factor = 1.0 - self.jitter + 2.0 * self.jitter * random.clamp(0.0, 1.0);
        Some(Duration::from_secs_f64(base * factor))
    }

    /// The wait after a failed attempt, lengthened to what the receiver asked for within its bounds.
    pub fn wait(&self, failed_attempts: u32, retry_after: Option<Duration>, random: f64) -> Option<Duration> {
        let backoff = self.delay_after(failed_attempts, random)?;
        Some(retry_after.map_or(backoff, |asked| asked.min(MAX_RETRY_AFTER).max(backoff)))
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// One problem for each field out of its bounds, named as in the API.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                problems.push(FieldProblem::new(field, message));
            }
        };
        let in_bounds = |wait: Duration| wait <= MAX_DELAY;
        require((1..=MAX_ATTEMPTS).contains(&self.max_attempts), "max_attempts", "1 to 100");
        require((0.0..=1.0).contains(&self.jitter), "jitter", "0 to 1");
        match &self.strategy {
            Backoff::Exponential { initial, multiplier, max } => {
                require(in_bounds(*initial), "initial_delay", "0 to 86400 seconds");
                require((1.0..=100.0).contains(multiplier), "multiplier", "1 to 100");
                require(in_bounds(*max), "max_delay", "0 to 86400 seconds");
            }
            Backoff::Linear { initial, max } => {
                require(in_bounds(*initial), "initial_delay", "0 to 86400 seconds");
                require(in_bounds(*max), "max_delay", "0 to 86400 seconds");
            }
            Backoff::Fixed { delay } => {
                require(in_bounds(*delay), "initial_delay", "0 to 86400 seconds");
            }
            Backoff::Schedule(waits) => {
                require(waits.len() < MAX_ATTEMPTS as usize, "schedule", "at most 99 waits");
                require(
                    waits.iter().all(|wait| in_bounds(*wait)),
                    "schedule",
                    "each wait 0 to 86400 seconds",
                );
                let enough = waits.len() + 1 >= self.max_attempts as usize;
                require(enough, "max_attempts", "at most one more than the schedule has waits");
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(policy: &RetryPolicy) -> Vec<u64> {
        (1..).map_while(|failed| policy.delay_after(failed, 0.5)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn the_default_doubles_from_one_second_for_five_attempts() {
        assert_eq!(seconds(&RetryPolicy::default()), [1, 2, 4, 8]);
    }

    #[test]
    fn waits_grow_as_the_strategy_says() {
        let policy = |strategy| RetryPolicy { max_attempts: 6, strategy, jitter: 0.0 };
        let second = Duration::from_secs;
        let exponential = Backoff::Exponential { initial: second(2), multiplier: 3.0, max: second(30) };
        assert_eq!(seconds(&policy(exponential)), [2, 6, 18, 30, 30]);
        assert_eq!(
            seconds(&policy(Backoff::Linear { initial: second(4), max: second(10) })),
            [4, 8, 10, 10, 10]
        );
        assert_eq!(seconds(&policy(Backoff::Fixed { delay: second(7) })), [7; 5]);
        assert_eq!(seconds(&policy(Backoff::Schedule(vec![second(5), second(300)]))), [5, 300]);
    }

    #[test]
    fn retry_after_lengthens_within_bounds_and_never_shortens() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let wait =
            |asked: u64| policy.wait(3, Some(Duration::from_secs(asked)), 0.5).map(|wait| wait.as_secs());
        assert_eq!(wait(0), Some(4));
        assert_eq!(wait(120), Some(120));
        assert_eq!(wait(1_000_000), Some(3_600));
        assert_eq!(policy.wait(5, Some(Duration::from_secs(1)), 0.5), None);
    }

    #[test]
    fn fields_out_of_bounds_are_named() {
        let policy = RetryPolicy {
            max_attempts: 0,
            jitter: 1.5,
            strategy: Backoff::Exponential {
                initial: Duration::from_secs(1),
                multiplier: 0.5,
                max: Duration::from_secs(86_401),
            },
        };
        let fields: Vec<String> = policy.check().unwrap_err().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["max_attempts", "jitter", "multiplier", "max_delay"]);
        let schedule = |max_attempts, waits| {
            let strategy = Backoff::Schedule(vec![Duration::from_millis(500); waits]);
            RetryPolicy { max_attempts, strategy, jitter: 0.0 }.check()
        };
        assert!(schedule(2, 1).is_ok());
        assert!(schedule(4, 1).is_err());
        assert!(schedule(100, 99).is_ok());
        assert!(schedule(100, 100).is_err());
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_the_jitter_around_its_base(
            initial in 0_u64..1_000, multiplier in 1.0_f64..10.0, max in 0_u64..86_400,
            jitter in 0.0_f64..=1.0, random in 0.0_f64..1.0, failed in 1_u32..100,
        ) {
            let strategy = Backoff::Exponential {
                initial: Duration::from_secs(initial), multiplier, max: Duration::from_secs(max),
            };
            let policy = RetryPolicy { max_attempts: 101, strategy, jitter };
            let base = policy.delay_after(failed, 0.5).unwrap().as_secs_f64();
            let wait = policy.delay_after(failed, random).unwrap().as_secs_f64();
            prop_assert!(base <= max as f64 + 1e-6);
            prop_assert!(wait >= base * (1.0 - jitter) - 1e-6 && wait <= base * (1.0 + jitter) + 1e-6);
        }
    }
}
