//! Whether everything that was accepted in an hour is accounted for, and what follows when it is not.
//!
//! For each tenant and hour: the deliveries that fan-out made of the accepted events are delivered, failed, parked,
//! cancelled or in progress. What is none of these is the gap.

mod hour;
mod matching;

use std::time::Duration;

pub use self::hour::{Hour, HourError};
pub use self::matching::{Matched, MatchedPart};

use crate::{Delivery, DeliveryStatus, TenantId, Timestamp};

/// After how much time without an attempt that was to be made a delivery's message is taken to be lost. The longest
/// delay of a message is half of it.
pub const STUCK_AFTER: Duration = Duration::from_secs(30 * 60);

/// For how long an hour is looked at again after its end. Events are kept for a day more.
pub const LOOKED_AT_FOR: Duration = Duration::from_secs(29 * 24 * 60 * 60);

/// For how long a gap is repaired before it is one to wake somebody for.
pub const ALARM_AFTER: Duration = Duration::from_secs(60 * 60);

/// The times between looks while something is missing, and goes on being sent again.
const WHILE_REPAIRED: [Duration; 4] = minutes([5, 10, 20, 40]);

/// The times between looks while the rest is on its way; the last one again and again.
const WHILE_OPEN: [Duration; 3] = minutes([60, 6 * 60, 24 * 60]);

const fn minutes<const N: usize>(minutes: [u64; N]) -> [Duration; N] {
    let mut times = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        times[index] = Duration::from_secs(minutes[index] * 60);
        index += 1;
    }
    times
}

/// Whether a delivery waits for a message that must have been lost. What waits in the ledger for the schedule, and
/// what somebody is at, does not.
pub fn is_stuck(delivery: &Delivery, now: Timestamp) -> bool {
    let moved_at = delivery.next_attempt_at.max(delivery.claimed_at).max(Some(delivery.created_at));
    delivery.status.is_waiting()
        && delivery.due_at.is_none()
        && moved_at.is_some_and(|at| now.since(at) >= STUCK_AFTER)
}

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
        self.repaired += next.repaired;
        self.has_more |= next.has_more;
        self.last_begins_at = self.last_begins_at.max(next.last_begins_at);
    }
}

/// How an hour stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconciliationState {
    /// It was not looked at in full yet.
    Counting,
    /// Everything is there, and something is still to come.
    Open,
    /// Everything is there and over, or parked.
    Balanced,
    /// Something was missing or stuck, and was sent again.
    Repairing,
    /// Something is missing although it was sent again for an hour.
    Gap,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an hour's state is counting, open, balanced, repairing or gap")]
pub struct UnknownState;

impl ReconciliationState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Counting, Self::Open, Self::Balanced, Self::Repairing, Self::Gap];

    /// The state as the API and the table write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counting => "counting",
            Self::Open => "open",
            Self::Balanced => "balanced",
            Self::Repairing => "repairing",
            Self::Gap => "gap",
        }
    }
}

impl std::str::FromStr for ReconciliationState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// A look at an hour that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// From which moment on its events are still to be looked at.
    pub from: Timestamp,
    /// What was found before it.
    pub findings: Findings,
}

/// A tenant's hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// The tenant.
    pub tenant: TenantId,
    /// The hour.
    pub hour: Hour,
    /// How it stands.
    pub state: ReconciliationState,
    /// What the last complete look has found.
    pub counts: Counts,
    /// How many messages were sent again, in all looks.
    pub repaired: u64,
    /// When the last complete look ended.
    pub checked_at: Option<Timestamp>,
    /// Since when something is known to be missing.
    pub lacks_since: Option<Timestamp>,
    /// When somebody was told.
    pub told_at: Option<Timestamp>,
    /// How many looks there were in this state.
    pub looks: u32,
    /// The look that is under way.
    pub look: Option<Look>,
    /// When it is to be looked at next; `None` when never.
    pub due_at: Option<Timestamp>,
    /// Counts changes, from 1.
    pub version: u64,
}

impl Reconciliation {
    /// An hour to be looked at now.
    pub fn new(tenant: TenantId, hour: Hour, now: Timestamp) -> Self {
        Self {
            tenant,
            hour,
            state: ReconciliationState::Counting,
            counts: Counts::default(),
            repaired: 0,
            checked_at: None,
            lacks_since: None,
            told_at: None,
            looks: 0,
            look: None,
            due_at: Some(now),
            version: 1,
        }
    }

    /// The look to go on with.
    pub fn look(&self) -> Look {
        self.look.unwrap_or(Look { from: self.hour.begins_at(), findings: Findings::default() })
    }

    /// Ends a look: decides how the hour stands, and when it is looked at next.
    pub fn conclude(&mut self, findings: &Findings, now: Timestamp) {
        self.counts = findings.counts;
        self.repaired += findings.repaired;
        self.checked_at = Some(now);
        self.look = None;
        let state = if self.counts.lacks_something() {
            let since = *self.lacks_since.get_or_insert(now);
            let is_for_long = now.since(since) >= ALARM_AFTER;
            if is_for_long { ReconciliationState::Gap } else { ReconciliationState::Repairing }
        } else {
            self.lacks_since = None;
            match findings {
                Findings { stuck: 1.., .. } => ReconciliationState::Repairing,
                Findings { counts: Counts { in_progress: 0, scheduled: 0, .. }, .. } => {
                    ReconciliationState::Balanced
                }
                _ => ReconciliationState::Open,
            }
        };
        self.looks = if state == self.state { self.looks + 1 } else { 0 };
        self.state = state;
        let latest = self.hour.ends_at().after(LOOKED_AT_FOR);
        self.due_at = self.wait(findings, now).map(|wait| now.after(wait)).filter(|at| *at <= latest);
    }

    /// How long until the next look.
    fn wait(&self, findings: &Findings, now: Timestamp) -> Option<Duration> {
        let of = |times: &[Duration]| times.get(self.looks as usize).or(times.last()).copied();
        let next = match self.state {
            ReconciliationState::Balanced => return None,
            ReconciliationState::Repairing if self.lacks_since.is_some() => of(&WHILE_REPAIRED),
            ReconciliationState::Open if findings.counts.in_progress == 0 => {
                // Only scheduled events are left: there is nothing to see before they begin.
                let begun = findings.last_begins_at.unwrap_or(now).after(STUCK_AFTER);
                Some(begun.since(now).max(WHILE_OPEN[0]))
            }
            _ => of(&WHILE_OPEN),
        };
        if findings.has_more { Some(WHILE_REPAIRED[0]) } else { next }
    }

    /// Whether somebody has to be told that something is missing.
    pub const fn is_to_be_told(&self) -> bool {
        matches!(self.state, ReconciliationState::Gap) && self.told_at.is_none()
    }
}

#[cfg(test)]
mod tests;
