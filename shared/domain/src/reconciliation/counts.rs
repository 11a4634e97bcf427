//! What is found in an hour, or in a part of it.

use crate::{DeliveryStatus, Timestamp};

/// What became of the events that were accepted in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that were accepted.
    pub accepted: u64,
    /// Those of them that are to be delivered later, and nobody has cancelled.
    pub scheduled: u64,
    /// Those of which it is not known that fan-out has found all endpoints.
    pub events_missing: u64,
    /// Deliveries that fan-out has made.
    pub matched: u64,
    /// Those of them that the receiver has.
    pub delivered: u64,
    /// Those that were given up.
    pub failed: u64,
    /// Those that wait for their endpoint.
    pub parked: u64,
    /// Those that will not be attempted.
    pub cancelled: u64,
    /// Those with an attempt to come.
    pub in_progress: u64,
}

impl Counts {
    /// Counts a delivery that is there.
    pub const fn count(&mut self, status: DeliveryStatus) {
        *match status {
            DeliveryStatus::Pending | DeliveryStatus::Retrying => &mut self.in_progress,
            DeliveryStatus::Delivered => &mut self.delivered,
            DeliveryStatus::Failed => &mut self.failed,
            DeliveryStatus::Parked => &mut self.parked,
            DeliveryStatus::Cancelled => &mut self.cancelled,
        } += 1;
    }

    /// How many deliveries were made and are not there.
    pub const fn gap(&self) -> u64 {
        let found = self.delivered + self.failed + self.parked + self.cancelled + self.in_progress;
        self.matched.saturating_sub(found)
    }

    /// Whether something is missing.
    pub const fn lacks_something(&self) -> bool {
        self.gap() > 0 || self.events_missing > 0
    }

    const fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.scheduled += other.scheduled;
        self.events_missing += other.events_missing;
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.parked += other.parked;
        self.cancelled += other.cancelled;
        self.in_progress += other.in_progress;
    }
}

/// What a look at an hour, or at a part of it, has found and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings {
    /// What became of its events.
    pub counts: Counts,
    /// How many deliveries waited for a message that must have been lost.
    pub stuck: u64,
    /// How many have been parked for as long and were released lately: whether that moves them is to be seen.
    pub released: u64,
    /// Whether an earlier hour has stuck deliveries behind which those of this one may wait.
    pub is_held_up: bool,
    /// How many messages were sent again.
    pub repaired: u64,
    /// Whether there was more to send than a look may.
    pub has_more: bool,
    /// When the last of its scheduled events begins.
    pub last_begins_at: Option<Timestamp>,
}

impl Findings {
    /// Adds what was found in the next part.
    pub fn add(&mut self, next: &Self) {
        self.counts.add(&next.counts);
        self.stuck += next.stuck;
        self.released += next.released;
        self.is_held_up |= next.is_held_up;
        self.repaired += next.repaired;
        self.has_more |= next.has_more;
        self.last_begins_at = self.last_begins_at.max(next.last_begins_at);
    }
}
