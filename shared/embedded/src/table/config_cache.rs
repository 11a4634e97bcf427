//! Items of the config table that were read, until somebody writes there.
//!
//! Each batch of events reads its tenants' versions, which change with the tenants' endpoints only. The engine
//! takes thirty thousand instructions for reading an item.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postrider_application::ports::table::{Item, Key, TableError};

/// How many items are remembered.
const CAPACITY: usize = 1_000;

/// What was read.
#[derive(Default)]
pub(super) struct ConfigCache(Mutex<State>);

#[derive(Default)]
struct State {
    items: HashMap<Key, Option<Item>>,
    /// How many writes are under way. Meanwhile nothing is remembered, as nobody knows whether it is old or new.
    writing: usize,
    /// Counts writes, so that what was read before one is not remembered after it.
    written: u64,
}

/// A write is under way as long as this exists.
pub(super) struct Writing<'a>(&'a ConfigCache);

impl ConfigCache {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The item that is remembered, or else what `read` reads.
    pub(super) fn get(
        &self,
        key: Key,
        read: impl FnOnce(Key) -> Result<Option<Item>, TableError>,
    ) -> Result<Option<Item>, TableError> {
        let before = {
            let state = self.lock();
            if let Some(item) = state.items.get(&key) {
                return Ok(item.clone());
            }
            state.written
        };
        let item = read(key.clone())?;
        let mut state = self.lock();
        if state.writing == 0 && state.written == before {
            if state.items.len() >= CAPACITY {
                state.items.clear();
            }
            state.items.insert(key, item.clone());
        }
        Ok(item)
    }

    /// To be held while the table is written.
    pub(super) fn writing(&self) -> Writing<'_> {
        let mut state = self.lock();
        state.items.clear();
        state.writing += 1;
        Writing(self)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writing -= 1;
        state.written += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: &str) -> Option<Item> {
        Some(Key::new("a", value).into_item())
    }

    #[test]
    fn what_was_read_before_or_during_a_write_is_not_remembered() {
        let cache = ConfigCache::default();
        let key = || Key::new("a", "b");
        // Read before a write, and remembered after it began, or after it ended.
        for ends in [false, true] {
            let during = cache.get(key(), |_| {
                let writing = cache.writing();
                if ends {
                    drop(writing);
                } else {
                    std::mem::forget(writing);
                }
                Ok(item("old"))
            });
            assert_eq!(during.unwrap(), item("old"));
            assert_eq!(cache.get(key(), |_| Ok(item("new"))).unwrap(), item("new"));
            if !ends {
                drop(Writing(&cache));
            }
        }
        assert_eq!(cache.get(key(), |_| panic!("remembered")).unwrap(), item("new"));
        drop(cache.writing());
        assert_eq!(cache.get(key(), |_| Ok(None)).unwrap(), None);
        assert_eq!(cache.get(key(), |_| panic!("that there is none, too")).unwrap(), None);
    }
}
