//! Randomness, and the ids that are made of it.

use postrider_domain::Timestamp;
use postrider_domain::id::Ulid;

/// A source of randomness fit for secrets.
pub trait Entropy: Send + Sync {
    /// Fills a buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// A number of at least 0 and less than 1.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // 53 bits are what an f64 holds exactly.
        (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A new id that sorts by time.
    fn ulid(&self, now: Timestamp) -> Ulid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes[6..]);
        Ulid::from_parts(now.as_millis(), u128::from_be_bytes(bytes))
    }
}
