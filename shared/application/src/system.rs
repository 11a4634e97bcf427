//! The real clock and the real source of randomness: the one place that asks the system for them.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use postrider_domain::Timestamp;

use crate::ports::{Clock, Entropy};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// The operating system's source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() <= SMALL {
            STORE.with_borrow_mut(|store| store.take(buffer));
        } else {
            ask_system(buffer);
        }
    }
}

fn ask_system(buffer: &mut [u8]) {
    // Without randomness no secret is safe, so nothing may go on.
    getrandom::fill(buffer).expect("the operating system gives randomness");
}

/// Up to how many bytes are taken from what a thread has in store: enough for an id, too few for a secret.
const SMALL: usize = 16;

/// How many bytes the system is asked for at a time.
const STORED: usize = 512;

/// Random bytes for ids and jitter, of which an event needs a few: asking for each costs more than making the id.
struct Store {
    bytes: [u8; STORED],
    used: usize,
}

thread_local! {
    static STORE: RefCell<Store> = const { RefCell::new(Store { bytes: [0; STORED], used: STORED }) };
}

impl Store {
    /// Fills a buffer of at most [`SMALL`] bytes with what nobody had before.
    fn take(&mut self, buffer: &mut [u8]) {
        if self.used + buffer.len() > STORED {
            ask_system(&mut self.bytes);
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..][..buffer.len()];
        buffer.copy_from_slice(taken);
        taken.fill(0);
        self.used += buffer.len();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_random_bytes_are_given_twice() {
        for size in [1, 7, 10, 16, 17, 32, 600] {
            let mut given = HashSet::new();
            for _ in 0..300 {
                let mut buffer = vec![0; size];
                SystemEntropy.fill(&mut buffer);
                // A byte or two come again by chance.
                assert!(
                    size < 7 || buffer.iter().any(|byte| *byte != 0) && given.insert(buffer),
                    "{size} bytes"
                );
            }
        }
        let threads: Vec<_> =
            (0..2).map(|_| std::thread::spawn(|| SystemEntropy.ulid(Timestamp::default()))).collect();
        let ids: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 2);
    }
}
