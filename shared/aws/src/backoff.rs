//! Asking again for what a batch call left undone. The SDK repeats whole requests by itself, not parts.

use std::time::Duration;

/// How often a part that was left undone is asked for again, and after which waits.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The wait after the first try; it doubles with every further one.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// How many tries in a row may achieve nothing.
    pub tries: u32,
}

/// About 1.5 s of waiting in all, which a function's time-out has room for.
impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), longest: Duration::from_millis(800), tries: 6 }
    }
}

impl Backoff {
    /// The wait after so many tries.
    fn after(self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// Whether there may be another try after so many.
    pub(crate) const fn goes_on(self, tries: u32) -> bool {
        tries < self.tries
    }

    /// Waits after so many tries.
    pub(crate) async fn wait(self, tries: u32) {
        tokio::time::sleep(self.after(tries)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_the_tries_are_bounded() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (1..=7).map(|tries| backoff.after(tries).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 800, 800]);
        assert_eq!((backoff.goes_on(5), backoff.goes_on(6)), (true, false));
        assert_eq!(backoff.after(u32::MAX), backoff.longest);
    }
}
