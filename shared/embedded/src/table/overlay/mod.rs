//! The ledger's latest writes, ahead of the engine.
//!
//! A webhook that is delivered writes its event once and its delivery twice, and usually nobody asks for either
//! of them soon. The engine takes a hundred thousand instructions for such a write, whatever it is. So puts of
//! this kind ([`HotPut`]) stay here, and what is asked for is *settled*, that is, written to the engine, first.
//! In memory nothing else is settled. On a file all of it is, soon, by many at a time, and what was not
//! settled when the process ended is found in the log ([`records`]).
//!
//! What holds:
//!
//! 1. An entry is the latest state of its item. Where the overlay has none, the engine's is the latest.
//! 2. Entries enter in one order, each judged against the state before it: under one lock in memory, by one
//!    thread on a file.
//! 3. On a file an entry enters after its frame in the log is synced. Nothing is read that could still be lost.
//! 4. Entries leave after the engine has committed them, and only if they were not written meanwhile. One settles
//!    at a time, so that the engine never gets an older state after a newer one.
//! 5. Before a query the engine has every entry that the query could find, in the table or in an index, and every
//!    entry because of which it should no longer find something.
//! 6. Every other write of the ledger goes to the engine with the overlay closed, after the items concerned were
//!    settled and, on a file, the log knows that the engine has the latest state of them ([`Overlay::exclusively`]).

mod hot_put;
mod packed;
pub(super) mod records;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use postrider_application::ports::table::{Item, Query, TableError, TableName, Value};

pub(super) use self::hot_put::HotPut;
pub(super) use self::packed::{Packed, Place};
pub(super) use self::state::{Concerned, Entry};

use self::state::State;
use super::convert::EngineItem;
use super::engine::Engine;

/// How many items are settled in one commit.
pub(super) const PORTION: usize = 200;

/// The ledger's latest writes.
pub(super) struct Overlay {
    engine: Engine,
    state: Mutex<State>,
    /// Held while items are copied to the engine; locked before `state`.
    settling: Mutex<()>,
}

impl Overlay {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, state: Mutex::default(), settling: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The item in a place; `None` when the engine has to be asked.
    pub(super) fn get(&self, place: &Place) -> Option<Item> {
        let packed = self.state().get(place)?.packed.clone();
        Some(packed.item(place))
    }

    /// Makes a put at once. Only where there is no log.
    pub(super) fn put(&self, put: HotPut) -> Result<(), TableError> {
        let mut state = self.state();
        let (place, entry) = state.judge(put, None, &self.engine)?;
        state.insert(place, entry);
        Ok(())
    }

    /// Whether a put's condition holds, and what to insert then. `staged` is what was judged and not inserted
    /// yet for the same place.
    pub(super) fn judge(&self, put: HotPut, staged: Option<&Entry>) -> Result<(Place, Entry), TableError> {
        self.state().judge(put, staged, &self.engine)
    }

    /// Inserts what was judged.
    pub(super) fn insert(&self, judged: impl IntoIterator<Item = (Place, Entry)>) {
        let mut state = self.state();
        judged.into_iter().for_each(|(place, entry)| state.insert(place, entry));
    }

    /// The places of the entries that a query of the ledger needs to be settled.
    pub(super) fn concerned_by(&self, query: &Query) -> Vec<Place> {
        let concerned = match (query.index, query.keys.values.get(":pk")) {
            (Some(_), _) => Concerned::Indexes,
            (None, Some(Value::S(pk))) if query.keys.text.starts_with("pk = :pk") => {
                Concerned::Partition(pk.to_owned())
            }
            _ => Concerned::Everything,
        };
        self.places(&concerned)
    }

    /// The places of the entries concerned.
    pub(super) fn places(&self, concerned: &Concerned) -> Vec<Place> {
        self.state().places(concerned)
    }

    /// Gives the engine what is in these places.
    pub(super) fn settle(&self, places: &[Place]) -> Result<(), TableError> {
        places.chunks(PORTION).try_for_each(|portion| {
            // Held for one portion only, so that a query does not wait for all that is settled without hurry.
            let _alone = self.settling();
            self.settle_portion(portion)
        })
    }

    fn settle_portion(&self, places: &[Place]) -> Result<(), TableError> {
        let copy = |place: &Place| {
            let state = self.state();
            state.get(place).map(|entry| (place.clone(), entry.packed.clone(), entry.stamp))
        };
        let copied: Vec<_> = places.iter().filter_map(copy).collect();
        if copied.is_empty() {
            return Ok(());
        }
        let items = copied.iter().map(|(place, packed, _)| engine_item(place, packed)).collect();
        self.engine.put_all(TableName::Ledger, items)?;
        let mut state = self.state();
        copied.iter().for_each(|(place, _, stamp)| state.settled(place, *stamp));
        Ok(())
    }

    /// Writes to the engine in these places while nobody else writes there: `write` is called with the overlay
    /// closed, and with nothing in it about them.
    pub(super) fn exclusively(
        &self,
        places: &[Place],
        write: impl FnOnce(&Engine) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let _alone = self.settling();
        let mut state = loop {
            self.settle_portion(places)?;
            let state = self.state();
            if places.iter().all(|place| state.get(place).is_none()) {
                break state;
            }
        };
        let result = write(&self.engine);
        places.iter().for_each(|place| state.raise_ceiling(place));
        result
    }
}

/// The item as the engine takes it.
pub(super) fn engine_item(place: &Place, packed: &Packed) -> EngineItem {
    packed.unpack(place, dynoxide::AttributeValue::S, dynoxide::AttributeValue::N).collect()
}
