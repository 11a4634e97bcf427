//! Files of the log that are full and wait until the engine has what is in them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::overlay::Place;

/// How many files wait at most before writing waits for them: 256 MB, and as much in memory. A burst of what one
/// tenant publishes is to find room, or everybody else would wait with it.
const FILES: usize = 32;

/// How long writing waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file that is full.
#[derive(Debug)]
pub(super) struct Written {
    /// The file's number.
    pub(super) number: u64,
    /// What is in it, some of it more than once.
    pub(super) places: Vec<Place>,
}

/// The files that wait.
#[derive(Default)]
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    files: VecDeque<Arc<Written>>,
    closed: bool,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a file.
    pub(super) fn push(&self, written: Written) {
        self.lock().files.push_back(Arc::new(written));
        self.changed.notify_all();
    }

    /// Waits for room, for some time, and answers whether there is any.
    pub(super) fn has_room(&self) -> bool {
        let is_full = |state: &mut State| state.files.len() >= FILES && !state.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, is_full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Whether half of the room is taken.
    pub(super) fn is_large(&self) -> bool {
        self.lock().files.len() >= FILES / 2
    }

    /// Waits for the first file; `None` when it is over. It still counts until it is [done](Self::done).
    pub(super) fn first(&self) -> Option<Arc<Written>> {
        let is_empty = |state: &mut State| state.files.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), is_empty).unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { state.files.front().cloned() }
    }

    /// The engine has what is in the first file.
    pub(super) fn done(&self) {
        self.lock().files.pop_front();
        self.changed.notify_all();
    }

    /// Waits, unless it is over.
    pub(super) fn pause(&self, duration: Duration) {
        let goes_on = |state: &mut State| !state.closed;
        drop(self.changed.wait_timeout_while(self.lock(), duration, goes_on));
    }

    /// It is over; what waits is found in the log.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
