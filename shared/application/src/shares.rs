//! Shares of what an instance has, so that whoever asks for much does not take what others need.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many who had a share are remembered before those who use nothing of it are forgotten.
const REMEMBERED: usize = 1_000;

/// A share of so many units for everybody who asks.
pub(crate) struct Shares<K> {
    units: u32,
    known: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// What was taken of a share, until this is dropped.
pub struct Taken {
    /// Always there, as no share is ever closed.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash> Shares<K> {
    /// Shares of so many units, at least one.
    pub(crate) fn new(units: u32) -> Self {
        Self { units: units.max(1), known: Mutex::default() }
    }

    fn of(&self, whose: K) -> Arc<Semaphore> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = known.get(&whose).and_then(Weak::upgrade) {
            return share;
        }
        if known.len() >= REMEMBERED {
            known.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.units as usize));
        known.insert(whose, Arc::downgrade(&share));
        share
    }

    /// Takes so many units of somebody's share, in the order of those who ask. More than the share has is all of it.
    pub(crate) async fn take(&self, whose: K, units: u32) -> Taken {
        Taken { _permit: self.of(whose).acquire_many_owned(units.min(self.units)).await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_share_is_used_up_by_whose_it_is() {
        let shares = Shares::new(10);
        let take = |whose, units| shares.take(whose, units).now_or_never();
        let first = take("a", 6).unwrap();
        let second = take("a", 4).unwrap();
        assert!(take("a", 1).is_none(), "more than there is");
        let other = take("b", 500).unwrap();
        assert!(take("b", 1).is_none(), "all of it");
        drop(first);
        assert!(take("a", 7).is_none(), "the other one still counts");
        drop((second, other));
        assert!(take("a", 500).is_some() && take("b", 10).is_some());
    }

    #[test]
    fn who_uses_nothing_is_forgotten() {
        let shares = Shares::new(10);
        let kept = shares.take(u128::MAX, 1).now_or_never();
        for whose in 0..=REMEMBERED as u128 {
            shares.take(whose, 1).now_or_never().unwrap();
        }
        let known = shares.known.lock().unwrap();
        assert!(known.len() <= REMEMBERED && known.contains_key(&u128::MAX), "{}", known.len());
        assert!(kept.is_some());
    }
}
