//! Rate limits in use: tokens from buckets that all instances share, asked for together and seldom.
//!
//! An instance uses a few tokens without asking ([`Allowance`]). When it has to ask, it asks once for all who want
//! a token of the same bucket at that moment, pays for what it used before, and writes the bucket back on the
//! condition that nobody else has changed it. A bucket is never read by itself: it comes with the failed condition.
//!
//! [`Allowance`]: postrider_domain::rate_limit::Allowance

mod lease;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use postrider_domain::{RateLimit, Timestamp};

pub use postrider_domain::rate_limit::Turn;

use self::lease::Lease;
use crate::ports::{Clock, Entropy, TableError};
use crate::stores::Buckets;
use crate::stores::buckets::BucketKey;

/// How many buckets an instance knows at most. The ones that were not used lately go first.
const KNOWN: usize = 10_000;

/// After which time a bucket counts as not used lately.
const LATELY: Duration = Duration::from_secs(60);

/// How somebody wants tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Within this time or not at all: who gets none is told when there may be one.
    Within(Duration),
    /// Who gets none is put on the waiting list and comes back at their slot.
    Waits,
    /// The same for somebody who comes back from the list.
    HasWaited,
}

/// A token could not be asked for.
#[derive(Debug, thiserror::Error)]
pub enum RateError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Others kept changing the bucket.
    #[error("the bucket of a rate limit kept changing")]
    Contended,
}

/// What asking a bucket needs.
struct Source {
    buckets: Buckets,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Gives out tokens.
pub struct Rates {
    source: Source,
    leases: Mutex<HashMap<BucketKey, (Timestamp, Arc<Lease>)>>,
}

impl Rates {
    /// Tokens from these buckets.
    pub fn new(buckets: Buckets, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { source: Source { buckets, clock, entropy }, leases: Mutex::default() }
    }

    /// Takes so many tokens of a bucket: a turn for each.
    ///
    /// # Errors
    /// When the bucket cannot be written. What was used so far is still owed.
    pub async fn take(
        &self,
        key: &BucketKey,
        limit: &RateLimit,
        count: usize,
        manner: Manner,
    ) -> Result<Vec<Turn>, RateError> {
        let lease = self.lease(key);
        lease.take(&self.source, key, limit, count, manner).await
    }

    fn lease(&self, key: &BucketKey) -> Arc<Lease> {
        let now = self.source.clock.now();
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((used_at, lease)) = leases.get_mut(key) {
            *used_at = now;
            return Arc::clone(lease);
        }
        if leases.len() >= KNOWN {
            leases.retain(|_, (used_at, _)| now.since(*used_at) < LATELY);
            if leases.len() >= KNOWN {
                leases.clear();
            }
        }
        let (_, lease) = leases.entry(key.clone()).or_insert((now, Arc::default()));
        Arc::clone(lease)
    }
}
