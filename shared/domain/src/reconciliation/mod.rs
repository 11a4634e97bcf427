//! Whether everything that was accepted in an hour is accounted for, and what follows when it is not.
//!
//! For each tenant and hour: the deliveries that fan-out made of the accepted events are delivered, failed, parked,
//! cancelled or in progress. What is none of these is the gap.
//!
//! What is there may be stuck: in progress or parked, and the message that would move it must have been lost. It is
//! sent again, and told as a gap is when that does not help for [`ALARM_AFTER`]. That nothing moved a delivery for
//! long is no proof: a queue with a deep backlog looks the same. So the time counts from the last sign of progress,
//! and there are two. Fewer are stuck than at the look before: messages get through. Or an earlier hour of the tenant's
//! has stuck deliveries and is not told of: what came later waits behind it, until that hour is done or is the one that
//! somebody is told of.

mod counts;
mod hour;
mod matching;

use std::time::Duration;

pub use self::counts::{Counts, Findings};
pub use self::hour::{Hour, HourError};
pub use self::matching::{Matched, MatchedPart};

use crate::{Delivery, TenantId, Timestamp};

/// After how much time without an attempt that was to be made a delivery's message is taken to be lost. The longest
/// delay of a message is half of it.
pub const STUCK_AFTER: Duration = Duration::from_secs(30 * 60);

/// For how long an hour is looked at again after its end. Events are kept for a day more.
pub const LOOKED_AT_FOR: Duration = Duration::from_secs(29 * 24 * 60 * 60);

/// For how long a gap is repaired before it is one to wake somebody for.
pub const ALARM_AFTER: Duration = Duration::from_secs(60 * 60);

/// The times between looks while something is missing or stuck, and goes on being sent again.
const WHILE_REPAIRED: [Duration; 4] = minutes([5, 10, 20, 40]);

/// The times between looks while the rest is on its way or parked; the last one again and again.
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

/// Whether a parked delivery would have gone on by now, if its endpoint takes deliveries and nobody keeps it. Of one
/// that does not say since when it is parked, that is long ago.
pub fn is_left_parked(parked_at: Option<Timestamp>, now: Timestamp) -> bool {
    parked_at.is_none_or(|at| now.since(at) >= STUCK_AFTER)
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
    /// Something is missing, or stuck without any progress, although it was sent again for an hour.
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
    /// How many of the deliveries were stuck then.
    pub stuck: u64,
    /// How many messages were sent again, in all looks.
    pub repaired: u64,
    /// When the last complete look ended.
    pub checked_at: Option<Timestamp>,
    /// Since when something is known to be missing.
    pub lacks_since: Option<Timestamp>,
    /// Since when deliveries are stuck without any progress.
    pub stuck_since: Option<Timestamp>,
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
            stuck: 0,
            repaired: 0,
            checked_at: None,
            lacks_since: None,
            stuck_since: None,
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
        self.time_what_lacks(findings, now);
        let state = self.state_of(findings, now);
        self.looks = if state == self.state { self.looks + 1 } else { 0 };
        self.state = state;
        let latest = self.hour.ends_at().after(LOOKED_AT_FOR);
        self.due_at = self.wait(findings, now).map(|wait| now.after(wait)).filter(|at| *at <= latest);
    }

    /// Since when something is missing, and since when what is stuck shows no progress.
    fn time_what_lacks(&mut self, findings: &Findings, now: Timestamp) {
        self.lacks_since = self.lacks_since.or(Some(now)).filter(|_| findings.counts.lacks_something());
        // What was stuck and is released just now has not moved yet.
        let released = if self.stuck_since.is_some() { findings.released } else { 0 };
        let before = std::mem::replace(&mut self.stuck, findings.stuck + released);
        let advances = self.stuck < before || findings.is_held_up;
        self.stuck_since = match self.stuck {
            0 => None,
            _ if advances => Some(now),
            _ => self.stuck_since.or(Some(now)),
        };
    }

    /// How the hour stands, once it is known since when something lacks.
    fn state_of(&self, findings: &Findings, now: Timestamp) -> ReconciliationState {
        let since = [self.lacks_since, self.stuck_since].into_iter().flatten().min();
        match (since, &findings.counts) {
            (Some(since), _) if now.since(since) >= ALARM_AFTER => ReconciliationState::Gap,
            (Some(_), _) => ReconciliationState::Repairing,
            (None, Counts { in_progress: 0, scheduled: 0, .. }) => ReconciliationState::Balanced,
            (None, _) => ReconciliationState::Open,
        }
    }

    /// How long until the next look.
    fn wait(&self, findings: &Findings, now: Timestamp) -> Option<Duration> {
        let of = |times: &[Duration]| times.get(self.looks as usize).or(times.last()).copied();
        let counts = &findings.counts;
        let next = match self.state {
            ReconciliationState::Balanced if counts.parked == 0 => return None,
            ReconciliationState::Repairing => of(&WHILE_REPAIRED),
            ReconciliationState::Open if counts.in_progress == 0 && counts.parked == 0 => {
                // Only scheduled events are left: there is nothing to see before they begin.
                let begun = findings.last_begins_at.unwrap_or(now).after(STUCK_AFTER);
                Some(begun.since(now).max(WHILE_OPEN[0]))
            }
            _ => of(&WHILE_OPEN),
        };
        if findings.has_more { Some(WHILE_REPAIRED[0]) } else { next }
    }

    /// Whether somebody has to be told that something is missing or stuck.
    pub const fn is_to_be_told(&self) -> bool {
        matches!(self.state, ReconciliationState::Gap) && self.told_at.is_none()
    }
}

#[cfg(test)]
mod tests;
