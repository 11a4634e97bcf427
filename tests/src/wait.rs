//! Waiting for something: asking again until a deadline.

use std::time::{Duration, Instant};

use crate::settings::settings;

/// How long something may take that usually takes no time.
const USUAL: Duration = Duration::from_secs(60);

/// How long something may take on this machine.
pub fn deadline(usual: Duration) -> Duration {
    usual.mul_f64(settings().slow)
}

/// Asks until the answer is there. `Err` says what was seen instead, for the message when time runs out.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(USUAL, what, ask).await
}

/// The same, for something that takes longer.
pub async fn within<T>(usual: Duration, what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let limit = deadline(usual);
    let begun = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = match ask().await {
            Ok(answer) => return answer,
            Err(seen) => seen,
        };
        assert!(begun.elapsed() < limit, "after {limit:?} still waiting for {what}; last seen: {seen}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
