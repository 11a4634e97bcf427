//! A small cache in memory whose entries are trusted for a limited time.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use postrider_domain::Timestamp;

/// Entries by key, each with the moment at which it was put in.
pub struct TimedCache<K, V> {
    entries: Mutex<HashMap<K, (Timestamp, V)>>,
    capacity: usize,
    trusted: Duration,
}

impl<K: Eq + Hash + Clone, V: Clone> TimedCache<K, V> {
    /// A cache of at most `capacity` entries, each trusted for as long as `trusted`.
    pub fn new(capacity: usize, trusted: Duration) -> Self {
        Self { entries: Mutex::default(), capacity, trusted }
    }

    /// The entry of a key, unless it is too old.
    pub fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        self.get_within(key, now, self.trusted)
    }

    /// The entry of a key, if it is younger than `trusted`.
    pub fn get_within(&self, key: &K, now: Timestamp, trusted: Duration) -> Option<V> {
        let entries = self.lock();
        let (since, value) = entries.get(key)?;
        (now.since(*since) < trusted).then(|| value.clone())
    }

    /// Puts an entry in. When the cache is full, entries that are no longer trusted go, or else all do: its
    /// size is bounded, and what is in use comes back with one read each.
    pub fn insert(&self, key: K, value: V, now: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            entries.retain(|_, (since, _)| now.since(*since) < self.trusted);
            if entries.len() >= self.capacity {
                entries.clear();
            }
        }
        entries.insert(key, (now, value));
    }

    /// Takes an entry out.
    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (Timestamp, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_trusted_for_a_while_and_their_number_is_bounded() {
        let cache = TimedCache::new(2, Duration::from_secs(1));
        let at = Timestamp::from_millis;
        cache.insert(1, "a", at(0));
        assert_eq!(cache.get(&1, at(999)), Some("a"));
        assert_eq!(cache.get(&1, at(1_000)), None);
        cache.insert(2, "b", at(1_500));
        cache.insert(3, "c", at(1_600));
        assert_eq!(cache.get(&2, at(1_600)), Some("b"));
        cache.insert(4, "d", at(1_700));
        assert_eq!((cache.get(&2, at(1_700)), cache.get(&4, at(1_700))), (None, Some("d")));
    }
}
