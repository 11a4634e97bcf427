//! Writes that go to the engine at once.

use std::collections::HashSet;

use postrider_application::ports::table::{Put, TableError, TableName, Write};

use super::engine::Engine;
use super::overlay::Place;
use super::requests::table_of;

/// A write that the overlay does not take.
pub(super) enum Direct {
    Put(Put),
    Transact(Vec<Write>),
}

impl Direct {
    /// Where in the ledger it writes, unless the engine refuses it.
    pub(super) fn places(&self) -> Vec<Place> {
        let places: HashSet<Place> = match self {
            Self::Put(put) => place_of_put(put).into_iter().collect(),
            Self::Transact(writes) => writes.iter().filter_map(place_of).collect(),
        };
        places.into_iter().collect()
    }

    pub(super) fn write(self, engine: &Engine) -> Result<(), TableError> {
        match self {
            Self::Put(put) => engine.put(put),
            Self::Transact(writes) => engine.transact(writes),
        }
    }
}

fn place_of(write: &Write) -> Option<Place> {
    let key = match write {
        Write::Put(put) => return place_of_put(put),
        Write::Update(update) => &update.key,
        Write::Delete(delete) => &delete.key,
    };
    (table_of(write) == TableName::Ledger).then(|| Place::of(&key.clone().into_item()))?
}

fn place_of_put(put: &Put) -> Option<Place> {
    (put.table == TableName::Ledger).then(|| Place::of(&put.item))?
}
