//! What a change of a circuit asks to be done.

use crate::Timestamp;

/// The most that is kept of what could not be done, the latest.
const KEPT: usize = 16;

/// Something to be done because of a change. Doing it twice does no harm, and is the same thing twice: what it
/// holds names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Tell that the circuit opened.
    Opened {
        /// When it did.
        at: Timestamp,
    },
    /// Tell that the circuit closed.
    Closed {
        /// When it did.
        at: Timestamp,
    },
    /// Let every delivery that was parked because of the circuit go on.
    Release,
    /// Let as many of the oldest parked deliveries go on as there are probes.
    Probe {
        /// When.
        at: Timestamp,
    },
    /// Warn that the endpoint will be disabled.
    Warning {
        /// Since when there were only failures.
        since: Timestamp,
        /// How much of the time is over, in percent.
        percent: u8,
    },
    /// Disable the endpoint.
    Disable {
        /// Since when there were only failures.
        since: Timestamp,
    },
}

/// Drops what is beyond the bound.
pub(super) fn keep_latest(notices: &mut Vec<Notice>) {
    let beyond = notices.len().saturating_sub(KEPT);
    notices.drain(..beyond);
}
