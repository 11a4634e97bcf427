//! A clock that stands until it is moved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::ports::Clock;
use postrider_domain::Timestamp;

/// Stands until it is moved.
pub struct TestClock(AtomicU64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_795_255_200_000))
    }
}

impl TestClock {
    /// Moves on.
    pub fn forward(&self, by: Duration) {
        self.forward_to(self.now().after(by));
    }

    /// Moves on to a moment; stands where that is past.
    pub fn forward_to(&self, moment: Timestamp) {
        self.0.fetch_max(moment.as_millis(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, wait: Duration) {
        self.forward(wait);
    }
}
