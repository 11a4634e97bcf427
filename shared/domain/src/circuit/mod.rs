//! The breaker in front of one endpoint: a receiver that only fails is left alone for a while, then tried with a
//! few deliveries, and gets everything again after the first that succeeds.
//!
//! A circuit says what follows from each attempt and what has to be done about it; storing it and doing that is
//! the business of others, who may die in between. So what is to be done stays in the circuit, as [`Notice`]s,
//! until it was done, and `check_at` is the moment at which somebody has to look at the circuit again.

mod notice;
mod outage;

use std::time::Duration;

use crate::endpoint::MAX_TIMEOUT;
use crate::{FieldProblem, Timestamp};

pub use notice::Notice;
pub use outage::{DISABLED_AFTER, WARNINGS};

/// How many attempts are let through at the same time while it is not known whether the receiver works again.
pub const PROBES: usize = 3;

/// The longest time for which an open circuit lets nothing through, unless a person opened it.
pub const LONGEST_RECOVERY: Duration = Duration::from_secs(60 * 60);

/// After this time the place of a probe is free again, whatever became of its worker: longer than an attempt can
/// take.
pub const PROBE_LEASE: Duration = MAX_TIMEOUT.saturating_add(Duration::from_secs(10));

/// By how much the clocks of those who grant places may differ, with the time in which they write it.
const CLOCKS_DIFFER: Duration = Duration::from_secs(10);

/// For how long a circuit is left alone after somebody has looked at it.
const LOOKED_AT: Duration = Duration::from_secs(5 * 60);

/// How long whoever wrote notices has to do what they say, before others do it.
const NOTICES_DUE: Duration = Duration::from_secs(60);

/// When a circuit opens, and for how long at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitRules {
    /// After how many failures in a row it opens.
    pub failures: u32,
    /// For how long it lets nothing through the first time; twice as long each time that the probes fail.
    pub recovery: Duration,
}

impl Default for CircuitRules {
    fn default() -> Self {
        Self { failures: 10, recovery: Duration::from_secs(5 * 60) }
    }
}

impl CircuitRules {
    /// Checks the bounds.
    ///
    /// # Errors
    /// The first field that is out of its bounds.
    pub fn check(self) -> Result<Self, FieldProblem> {
        if !(1..=1_000_000).contains(&self.failures) {
            return Err(FieldProblem::new("failures", "1 to 1000000 failures"));
        }
        if !(Duration::from_secs(1)..=LONGEST_RECOVERY).contains(&self.recovery) {
            return Err(FieldProblem::new("recovery", "1 to 3600 seconds"));
        }
        Ok(self)
    }

    /// For how long a circuit lets nothing through that opened for the `openings`th time without a success.
    pub fn wait(&self, openings: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(openings.saturating_sub(1));
        self.recovery.saturating_mul(doubled).min(LONGEST_RECOVERY)
    }
}

/// What a circuit lets through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CircuitState {
    /// Everything.
    #[default]
    Closed,
    /// Nothing.
    Open {
        /// Until this moment; `None` until a person closes it.
        until: Option<Timestamp>,
        /// Whether a person opened it.
        by_hand: bool,
    },
    /// A few probes.
    HalfOpen {
        /// When the place of each probe that was granted is free again.
        leases: Vec<Timestamp>,
    },
}

impl CircuitState {
    /// The state's name, as the API and the tables write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

/// What an attempt tells of its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding<'a> {
    /// It works.
    Success,
    /// It does not, and this is what happened.
    Failure(&'a str),
    /// It answers, though it refused what was sent.
    Answered,
    /// Nothing: it was not called, or wants no more.
    Nothing,
}

/// Why an attempt was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The circuit was closed.
    Ordinary,
    /// It is a probe, with the moment at which its place is free again.
    Probe(Timestamp),
}

/// Whether an attempt may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Free,
    /// It may as a probe, if a place is granted.
    AsProbe,
    /// Not before this moment; `None` when nobody can know it.
    Refused(Option<Timestamp>),
}

/// The circuit of one endpoint. A circuit of which nothing is known is closed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circuit {
    /// What it lets through.
    pub state: CircuitState,
    /// How many attempts failed since the last success.
    pub failures: u32,
    /// How often it opened since the last success.
    pub openings: u32,
    /// When it opened, for the first time since it was closed.
    pub opened_at: Option<Timestamp>,
    /// Who opened it, if a person did.
    pub opened_by: Option<String>,
    /// Since when there were only failures.
    pub failing_since: Option<Timestamp>,
    /// The latest success on record: those of a receiver that works are not recorded.
    pub last_success_at: Option<Timestamp>,
    /// The latest failure on record.
    pub last_failure_at: Option<Timestamp>,
    /// What happened then.
    pub last_error: Option<String>,
    /// Of how much of the time after which its endpoint is disabled people were warned, in percent.
    pub warned: u8,
    /// What is to be done and perhaps was not yet.
    pub notices: Vec<Notice>,
    /// When somebody has to look at it, if nothing happens before.
    pub check_at: Option<Timestamp>,
    /// Counts changes, from 1; 0 when it is not stored.
    pub version: u64,
}

impl Circuit {
    /// Whether nothing speaks against its receiver, so that a success says nothing new.
    pub fn is_untroubled(&self) -> bool {
        self.state == CircuitState::Closed && self.failures == 0 && self.failing_since.is_none()
    }

    /// Whether an attempt may be made now.
    pub fn admission(&self, now: Timestamp) -> Admission {
        match &self.state {
            CircuitState::Closed => Admission::Free,
            CircuitState::Open { until, by_hand } if is_over(*until, *by_hand, now) => Admission::AsProbe,
            CircuitState::Open { until, .. } => Admission::Refused(*until),
            CircuitState::HalfOpen { leases } => {
                let taken = leases.iter().filter(|lease| is_held(**lease, now));
                if taken.clone().count() < PROBES {
                    return Admission::AsProbe;
                }
                Admission::Refused(taken.min().copied())
            }
        }
    }

    /// Grants the place of a probe, if one is free.
    pub fn grant(&mut self, now: Timestamp) -> Option<Pass> {
        if self.admission(now) != Admission::AsProbe {
            return None;
        }
        let mut held = match std::mem::take(&mut self.state) {
            CircuitState::HalfOpen { leases } => leases,
            _ => Vec::new(),
        };
        held.retain(|lease| is_held(*lease, now));
        let lease = now.after(PROBE_LEASE);
        held.push(lease);
        self.state = CircuitState::HalfOpen { leases: held };
        self.notices.retain(|notice| !matches!(notice, Notice::Probe { .. }));
        self.plan_check(now);
        Some(Pass::Probe(lease))
    }

    /// Learns what an attempt that was let through tells. Answers whether anything is different now. What was
    /// under way when it opened does not close it: the receiver that is left alone is to recover.
    pub fn learn(&mut self, now: Timestamp, finding: Finding<'_>, pass: Pass, rules: &CircuitRules) -> bool {
        let is_probe = matches!(pass, Pass::Probe(_));
        let had_place = self.give_back(pass);
        match (finding, &self.state) {
            (Finding::Success, CircuitState::Closed) if self.is_untroubled() => return false,
            (Finding::Success, CircuitState::Closed) => self.recover(now),
            (Finding::Success, CircuitState::Open { by_hand: false, .. } | CircuitState::HalfOpen { .. })
                if is_probe =>
            {
                self.close(now);
                self.recover(now);
            }
            (Finding::Failure(error), CircuitState::Closed) => {
                self.count_failure(now, error);
                if self.failures >= rules.failures {
                    self.opened_at = Some(now);
                    self.notices.push(Notice::Opened { at: now });
                    self.open(now, rules);
                }
                self.review(now);
            }
            (Finding::Failure(error), CircuitState::HalfOpen { .. }) if had_place => {
                self.count_failure(now, error);
                self.open(now, rules);
                self.review(now);
            }
            // It works well enough to be called; only a success ends the outage.
            (Finding::Answered, CircuitState::HalfOpen { .. }) if had_place => self.close(now),
            (Finding::Nothing, CircuitState::HalfOpen { .. }) if had_place => {}
            _ => return false,
        }
        self.plan_check(now);
        true
    }

    /// Opens it on a person's request, until a moment or until a person closes it.
    pub fn open_by_hand(&mut self, now: Timestamp, until: Option<Timestamp>, by: &str) {
        if self.state == CircuitState::Closed {
            self.opened_at = Some(now);
            self.notices.push(Notice::Opened { at: now });
        }
        self.state = CircuitState::Open { until, by_hand: true };
        self.opened_by = Some(by.to_owned());
        self.expect_probes(until);
        self.plan_check(now);
    }

    /// Closes it on a person's request, and forgets what was before.
    pub fn close_by_hand(&mut self, now: Timestamp) {
        if self.state != CircuitState::Closed {
            self.close(now);
        }
        self.forget_outage();
        self.plan_check(now);
    }

    /// Forgets everything but when the receiver worked and failed last: its endpoint was turned on again.
    pub fn reset(&mut self) {
        self.state = CircuitState::Closed;
        self.forget_outage();
        (self.opened_at, self.opened_by) = (None, None);
        self.rest();
    }

    /// What these notices say was done.
    pub fn done(&mut self, done: &[Notice], now: Timestamp) {
        let is_disabled = |notice: &Notice| matches!(notice, Notice::Disable { .. }) && done.contains(notice);
        let rests = self.notices.iter().any(is_disabled);
        self.notices.retain(|notice| !done.contains(notice));
        if rests { self.rest() } else { self.plan_check(now) }
    }

    /// Nobody has to look at it before something happens: its endpoint is turned off.
    pub fn rest(&mut self) {
        self.notices.clear();
        self.check_at = None;
    }

    /// Somebody looks at it now: others need not for a while, which grows while nothing happens.
    pub fn put_off(&mut self, now: Timestamp) {
        let over_at = match &self.state {
            CircuitState::HalfOpen { leases } => leases.iter().max().copied(),
            _ => self.open_until(),
        };
        let over = over_at.map(|at| now.since(at)).unwrap_or_default();
        self.check_at = Some(now.after(over.clamp(LOOKED_AT, LONGEST_RECOVERY)));
    }

    /// Until when it lets nothing through, if that is known.
    pub const fn open_until(&self) -> Option<Timestamp> {
        match self.state {
            CircuitState::Open { until, .. } => until,
            _ => None,
        }
    }

    fn open(&mut self, now: Timestamp, rules: &CircuitRules) {
        self.openings = self.openings.saturating_add(1);
        let until = Some(now.after(rules.wait(self.openings)));
        self.state = CircuitState::Open { until, by_hand: false };
        self.expect_probes(until);
    }

    /// Parked deliveries that are to go on at a moment, and none before.
    fn expect_probes(&mut self, at: Option<Timestamp>) {
        self.notices.retain(|notice| !matches!(notice, Notice::Probe { .. } | Notice::Release));
        self.notices.extend(at.map(|at| Notice::Probe { at }));
    }

    fn close(&mut self, now: Timestamp) {
        self.state = CircuitState::Closed;
        (self.opened_at, self.opened_by) = (None, None);
        self.expect_probes(None);
        self.notices.extend([Notice::Closed { at: now }, Notice::Release]);
    }

    fn recover(&mut self, now: Timestamp) {
        self.last_success_at = Some(now);
        self.forget_outage();
    }

    fn forget_outage(&mut self) {
        (self.failures, self.openings, self.warned, self.failing_since) = (0, 0, 0, None);
    }

    fn count_failure(&mut self, now: Timestamp, error: &str) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure_at = Some(now);
        self.last_error = Some(error.to_owned());
        self.failing_since.get_or_insert(now);
    }

    /// Gives back the place of a probe. Answers whether it had one.
    fn give_back(&mut self, pass: Pass) -> bool {
        let (CircuitState::HalfOpen { leases }, Pass::Probe(lease)) = (&mut self.state, pass) else {
            return false;
        };
        let place = leases.iter().position(|held| *held == lease);
        place.map(|place| leases.remove(place)).is_some()
    }

    fn plan_check(&mut self, now: Timestamp) {
        notice::keep_latest(&mut self.notices);
        self.check_at = match &self.state {
            _ if !self.notices.is_empty() => Some(now.after(NOTICES_DUE)),
            CircuitState::Closed => None,
            CircuitState::Open { until, .. } => {
                until.map(|at| if at > now { at } else { now.after(LOOKED_AT) })
            }
            CircuitState::HalfOpen { leases } => Some(leases.iter().max().copied().unwrap_or(now)),
        };
    }
}

/// Whether the time of an open circuit is over. A moment further away than any recovery takes was written by a
/// clock that went wrong.
fn is_over(until: Option<Timestamp>, by_hand: bool, now: Timestamp) -> bool {
    until.is_some_and(|until| now >= until || (!by_hand && until.since(now) > LONGEST_RECOVERY))
}

/// Whether a probe still has its place, unless a wrong clock gave it. One that is a little ahead is not wrong: who was
/// faster to write may have looked at it later.
fn is_held(lease: Timestamp, now: Timestamp) -> bool {
    lease > now && lease.since(now) <= PROBE_LEASE.saturating_add(CLOCKS_DIFFER)
}

#[cfg(test)]
mod tests;
