//! Indexes that follow their table with some delay: what is new in one, or moved in it, is not seen there at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use postrider_application::ports::table::{IndexName, Item, Value};

use crate::executor::Simulation;

/// An index and the key of an item in its table.
type Entry = (&'static str, String, String);

/// Where an entry is in its index, and from when on it is seen there, in milliseconds.
struct Place {
    key: (String, String),
    seen_from: u64,
}

/// When the entries of the indexes are seen.
pub(crate) struct Indexes {
    simulation: Simulation,
    /// The longest delay, in milliseconds.
    lag: u64,
    places: Mutex<BTreeMap<Entry, Place>>,
}

impl Indexes {
    pub(crate) fn new(simulation: Simulation, lag: u64) -> Self {
        Self { simulation, lag, places: Mutex::default() }
    }

    /// An item was written.
    pub(crate) fn written(&self, item: &Item) {
        if self.lag == 0 {
            return;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for index in IndexName::ALL {
            let ((hash, range), entry) = (index.key_attributes(), entry(index, item));
            let key = (text(item, hash).to_owned(), text(item, range).to_owned());
            if !item.contains(hash) {
                places.remove(&entry);
            } else if places.get(&entry).is_none_or(|place| place.key != key) {
                let seen_from = self.simulation.now() + self.simulation.draw(|random| random.below(self.lag));
                places.insert(entry, Place { key, seen_from });
            }
        }
    }

    /// Leaves out what an index does not show yet.
    pub(crate) fn leave_out(&self, index: IndexName, items: &mut Vec<Item>) {
        if self.lag == 0 {
            return;
        }
        let now = self.simulation.now();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        items.retain(|item| places.get(&entry(index, item)).is_none_or(|place| place.seen_from <= now));
    }
}

fn entry(index: IndexName, item: &Item) -> Entry {
    (index.as_str(), text(item, "pk").to_owned(), text(item, "sk").to_owned())
}

fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    match item.get(attribute) {
        Some(Value::S(text) | Value::N(text)) => text,
        _ => "",
    }
}
