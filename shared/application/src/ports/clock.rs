//! The time, and waiting.

use std::time::Duration;

use async_trait::async_trait;
use postrider_domain::Timestamp;

/// The time, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(&self, wait: Duration);
}
