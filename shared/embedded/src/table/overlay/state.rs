//! What the overlay holds: the latest items of the ledger that the engine does not have yet.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use postrider_application::ports::table::{Item, TableError, TableName};

use super::hot_put::HotPut;
use super::packed::{Packed, Place, is_index_key};
use crate::table::engine::Engine;

/// An item that the engine does not have yet.
#[derive(Debug, Clone)]
pub(in crate::table) struct Entry {
    pub(in crate::table) packed: Packed,
    /// Counts writes, so that who copied an entry sees whether it is still the same.
    pub(super) stamp: u64,
    /// Whether an index has to know: this item is in one, or the one that the engine has may be.
    indexed: bool,
    /// When the item expires, in seconds since the Unix epoch.
    expires_at: u64,
}

/// What must be settled.
pub(in crate::table) enum Concerned {
    /// A partition.
    Partition(String),
    /// What an index has to know.
    Indexes,
    /// What has expired by then, in seconds since the Unix epoch.
    ExpiredBy(u64),
    /// All of it.
    Everything,
}

#[derive(Default)]
pub(super) struct State {
    partitions: HashMap<Arc<str>, Partition>,
    /// The places of entries of which an index has to know.
    indexed: HashSet<Place>,
    stamp: u64,
}

/// The entries of one partition; it is kept as long as it has any.
#[derive(Default)]
struct Partition {
    entries: HashMap<Arc<str>, Entry>,
    ceiling: Ceiling,
}

/// What is known of the range keys that the engine has in a partition. Keys of events and deliveries rise with
/// time, so this tells of nearly all new ones, without asking the engine, that they are new.
#[derive(Default, PartialEq, Eq)]
enum Ceiling {
    #[default]
    Unknown,
    /// There are none.
    Empty,
    /// There is none above this one.
    At(Arc<str>),
}

impl State {
    pub(super) fn get(&self, place: &Place) -> Option<&Entry> {
        self.partitions.get(&place.pk)?.entries.get(&place.sk)
    }

    /// Whether a put's condition holds, and the entry that it makes then. `staged` is the entry of this place
    /// that is about to be inserted.
    pub(super) fn judge(
        &mut self,
        put: HotPut,
        staged: Option<&Entry>,
        engine: &Engine,
    ) -> Result<(Place, Entry), TableError> {
        let judged = match staged.or_else(|| self.get(&put.place)) {
            Some(there) if put.condition.holds_of(&there.packed) => Ok(there.indexed),
            Some(there) => Err(refused(Some(there.packed.item(&put.place)))),
            None => self.judge_by_engine(&put, engine),
        };
        let was_indexed = judged.inspect_err(|_| self.forget_if_empty(&put.place.pk))?;
        let HotPut { place, packed, indexed, expires_at, .. } = put;
        Ok((place, Entry { packed, stamp: 0, indexed: was_indexed || indexed, expires_at }))
    }

    /// The same where the overlay has no entry. Answers whether an index may hold what the engine has.
    fn judge_by_engine(&mut self, put: &HotPut, engine: &Engine) -> Result<bool, TableError> {
        let partition = match self.partitions.get_mut(&put.place.pk) {
            Some(partition) => partition,
            None => self.partitions.entry(Arc::clone(&put.place.pk)).or_default(),
        };
        if partition.ceiling == Ceiling::Unknown {
            let highest = engine.highest_range_key(TableName::Ledger, &put.place.pk)?;
            partition.ceiling = highest.map_or(Ceiling::Empty, |highest| Ceiling::At(highest.into()));
        }
        let there = match &partition.ceiling {
            Ceiling::At(ceiling) if put.place.sk <= *ceiling => {
                engine.get(TableName::Ledger, put.place.key(), true)?
            }
            _ => None,
        };
        match there {
            Some(there) if put.condition.holds_of_item(&there) => Ok(there.names().any(is_index_key)),
            Some(there) => Err(refused(Some(there))),
            None if put.condition.holds_of_nothing() => Ok(false),
            None => Err(refused(None)),
        }
    }

    /// Takes an entry that was judged in this state, or in an earlier one of which entries were settled since.
    pub(super) fn insert(&mut self, place: Place, mut entry: Entry) {
        self.stamp += 1;
        entry.stamp = self.stamp;
        if entry.indexed {
            self.indexed.insert(place.clone());
        }
        self.partitions.entry(place.pk).or_default().entries.insert(place.sk, entry);
    }

    /// The places of the entries concerned.
    pub(super) fn places(&self, concerned: &Concerned) -> Vec<Place> {
        match concerned {
            Concerned::Partition(pk) => match self.partitions.get_key_value(pk.as_str()) {
                Some((pk, partition)) => {
                    let place = |sk: &Arc<str>| Place { pk: Arc::clone(pk), sk: Arc::clone(sk) };
                    partition.entries.keys().map(place).collect()
                }
                None => Vec::new(),
            },
            Concerned::Indexes => self.indexed.iter().cloned().collect(),
            Concerned::ExpiredBy(now) => self.matching(|entry| entry.expires_at <= *now),
            Concerned::Everything => self.matching(|_| true),
        }
    }

    fn matching(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Place> {
        let mut places = Vec::new();
        for (pk, partition) in &self.partitions {
            let found = partition.entries.iter().filter(|(_, entry)| wanted(entry));
            places.extend(found.map(|(sk, _)| Place { pk: Arc::clone(pk), sk: Arc::clone(sk) }));
        }
        places
    }

    /// The engine has this item now: forgets the entry unless it was written since.
    pub(super) fn settled(&mut self, place: &Place, stamp: u64) {
        self.raise_ceiling(place);
        let Some(partition) = self.partitions.get_mut(&place.pk) else { return };
        if partition.entries.get(&place.sk).is_some_and(|entry| entry.stamp == stamp) {
            partition.entries.remove(&place.sk);
            self.indexed.remove(place);
            self.forget_if_empty(&place.pk);
        }
    }

    /// The engine may have an item there now.
    pub(super) fn raise_ceiling(&mut self, place: &Place) {
        let Some(partition) = self.partitions.get_mut(&place.pk) else { return };
        let is_higher = match &partition.ceiling {
            Ceiling::Unknown => false,
            Ceiling::Empty => true,
            Ceiling::At(ceiling) => place.sk > *ceiling,
        };
        if is_higher {
            partition.ceiling = Ceiling::At(Arc::clone(&place.sk));
        }
    }

    fn forget_if_empty(&mut self, pk: &str) {
        if self.partitions.get(pk).is_some_and(|partition| partition.entries.is_empty()) {
            self.partitions.remove(pk);
        }
    }
}

fn refused(current: Option<Item>) -> TableError {
    TableError::ConditionFailed { current: current.map(Box::new) }
}
