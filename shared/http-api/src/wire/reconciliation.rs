//! What became of the events of an hour.

use postrider_domain::{Reconciliation, Timestamp};
use serde::Serialize;

use super::Shown;

/// An hour as it is answered.
#[derive(Serialize)]
pub(crate) struct HourBody {
    hour: Shown<Timestamp>,
    state: &'static str,
    accepted: u64,
    scheduled: u64,
    events_missing: u64,
    matched: u64,
    delivered: u64,
    failed: u64,
    parked: u64,
    cancelled: u64,
    in_progress: u64,
    gap: u64,
    stuck: u64,
    repaired: u64,
    checked_at: Option<Shown<Timestamp>>,
    next_check_at: Option<Shown<Timestamp>>,
}

impl HourBody {
    pub(crate) fn new(hour: &Reconciliation) -> Self {
        let counts = &hour.counts;
        Self {
            hour: Shown(hour.hour.begins_at()),
            state: hour.state.as_str(),
            accepted: counts.accepted,
            scheduled: counts.scheduled,
            events_missing: counts.events_missing,
            matched: counts.matched,
            delivered: counts.delivered,
            failed: counts.failed,
            parked: counts.parked,
            cancelled: counts.cancelled,
            in_progress: counts.in_progress,
            gap: counts.gap(),
            stuck: hour.stuck,
            repaired: hour.repaired,
            checked_at: hour.checked_at.map(Shown),
            next_check_at: hour.due_at.map(Shown),
        }
    }
}
