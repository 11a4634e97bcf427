//! Waiting for something: asking again until a deadline.

use std::time::{Duration, Instant};

/// How long something may take that usually takes no time.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until the answer is there. `Err` says what was seen instead.
///
/// # Panics
/// When time runs out.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = match ask().await {
            Ok(answer) => return answer,
            Err(seen) => seen,
        };
        assert!(begun.elapsed() < DEADLINE, "still waiting for {what}; last seen: {seen}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
