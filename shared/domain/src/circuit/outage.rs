//! A receiver that does not work for days: people are warned, then its endpoint is disabled.

use std::time::Duration;

use super::{Circuit, CircuitState, Notice};
use crate::Timestamp;

/// For how long there have to be only failures for an endpoint to be disabled.
pub const DISABLED_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// When people are warned before: percent of [`DISABLED_AFTER`].
pub const WARNINGS: [u8; 3] = [50, 75, 90];

/// An endpoint is only disabled if an attempt failed within this time: one for which there is nothing to do fails
/// nobody.
const RECENTLY: Duration = Duration::from_secs(24 * 60 * 60);

impl Circuit {
    /// Looks at how long there were only failures, and asks for a warning or for the endpoint to be disabled when it
    /// is time. One that never failed often enough for the circuit to open is left alone: of a few events in a
    /// week, two that failed are no outage.
    pub fn review(&mut self, now: Timestamp) {
        let Some(since) = self.failing_since.filter(|_| self.state != CircuitState::Closed) else { return };
        let lasted = now.since(since);
        let is_recent = self.last_failure_at.is_some_and(|at| now.since(at) <= RECENTLY);
        if !is_recent {
            return;
        }
        if lasted >= DISABLED_AFTER {
            self.ask(Notice::Disable { since });
            return;
        }
        let reached =
            WARNINGS.into_iter().rfind(|percent| lasted >= DISABLED_AFTER * u32::from(*percent) / 100);
        if let Some(percent) = reached.filter(|percent| *percent > self.warned) {
            self.warned = percent;
            self.ask(Notice::Warning { since, percent });
        }
    }

    fn ask(&mut self, notice: Notice) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }
}
