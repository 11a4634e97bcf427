//! Since when everybody agrees that an endpoint is paused.

use std::sync::{Mutex, MutexGuard, PoisonError};

use postrider_domain::EndpointStatus;

/// What is known of one endpoint.
#[derive(Debug, Clone, Copy, Default)]
struct Switch {
    /// How many are about to change it.
    changing: u32,
    paused_since: Option<u64>,
}

/// The endpoints, by number.
pub(crate) struct Switches(Mutex<Vec<Switch>>);

impl Switches {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self(Mutex::new(vec![Switch::default(); endpoints]))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Switch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins to change an endpoint's status.
    pub(crate) fn begin(&self, number: usize) {
        let switch = &mut self.lock()[number];
        switch.changing += 1;
        switch.paused_since = None;
    }

    /// The change was confirmed. Of several at the same time nobody can say which was the last.
    pub(crate) fn end(&self, number: usize, status: EndpointStatus, now: u64) {
        let switch = &mut self.lock()[number];
        switch.changing -= 1;
        let is_paused = switch.changing == 0 && status == EndpointStatus::Paused;
        switch.paused_since = is_paused.then_some(now);
    }

    /// Since when an endpoint is paused, if it certainly is.
    pub(crate) fn paused_since(&self, number: usize) -> Option<u64> {
        self.lock().get(number)?.paused_since
    }
}
