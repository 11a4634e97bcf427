//! Rate limits: a token bucket with virtual scheduling, which several instances share without asking it each time.
//!
//! The bucket is one number, the moment until which its tokens are spent (the "theoretical arrival time" of the
//! generic cell rate algorithm, ITU-T I.371). Beside it is a waiting list, again one number: who finds no token is
//! given the next slot behind everybody who waits, and comes back then.
//!
//! An instance may use a few tokens before it asks ([`Allowance`]) and pays for them when it does. What is used and
//! not yet paid, and what was paid beyond the bucket's content, is never more than [`UNASKED`] seconds' worth for
//! an instance, and over ten seconds [`FORGIVEN`] seconds' worth a second more: for [`INSTANCES`] instances a tenth
//! of what the limit allows in ten seconds.

use std::time::Duration;

use crate::{FieldProblem, Timestamp};

/// The endpoints' limit unless they say otherwise, per second.
pub const DEFAULT_PER_SECOND: f64 = 100.0;

/// Among how many instances at work the limit is exceeded by no more than a tenth in any ten seconds.
pub const INSTANCES: u32 = 4;

/// How many seconds' worth of tokens an instance may use before it asks.
pub const UNASKED: f64 = 0.2;

/// How many seconds' worth of what it used an instance is forgiven each second, so that an endpoint with little to
/// do costs nothing.
pub const FORGIVEN: f64 = 0.005;

/// To what multiple slots of the waiting list are rounded up, so that those who wait come back together and ask once.
const GRID: Duration = Duration::from_millis(250);

const SECOND: f64 = 1e9;

/// So many per second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Tokens per second.
    pub per_second: f64,
    /// How many tokens the bucket holds.
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::steady(DEFAULT_PER_SECOND)
    }
}

impl RateLimit {
    /// A rate that may be used up at once each second.
    pub fn steady(per_second: f64) -> Self {
        Self { per_second, burst: (per_second.ceil() as u32).max(1) }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// One problem for each field out of its bounds.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if !(0.1..=100_000.0).contains(&self.per_second) {
            problems.push(FieldProblem::new("per_second", "0.1 to 100000"));
        }
        if !(1..=100_000).contains(&self.burst) {
            problems.push(FieldProblem::new("burst", "1 to 100000"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The time in which one token comes, in nanoseconds.
    pub fn interval(&self) -> u64 {
        ((SECOND / self.per_second).round() as u64).max(1)
    }

    /// For how long somebody who is there already waits for a token, rather than coming back: a quarter of a second,
    /// or as much of a second as the burst does not cover, since queues bring back a whole second's worth together.
    pub fn patience(&self) -> Duration {
        let uncovered = 1.0 - f64::from(self.burst) / self.per_second;
        GRID.max(Duration::from_secs_f64(uncovered.max(0.0)))
    }

    /// The most tokens that an instance may owe.
    fn unasked(&self) -> f64 {
        (self.per_second * UNASKED).min(f64::from(self.burst))
    }

    fn span(&self, tokens: f64) -> u64 {
        (tokens * self.interval() as f64) as u64
    }
}

/// What an instance asks of a bucket.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demand {
    /// How many tokens it used before.
    pub unpaid: f64,
    /// How many tokens those want who were on the waiting list.
    pub waited: usize,
    /// How many tokens those want who come for the first time.
    pub fresh: usize,
    /// How far ahead tokens may be taken by those who do not come back if they get none. `None` for those who are
    /// put on the waiting list then.
    pub horizon: Option<Duration>,
}

/// What a bucket gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Supply {
    /// When each of those who were on the list may go on: now or soon, or at their next slot.
    pub waited: Vec<Turn>,
    /// The same for those who come for the first time.
    pub fresh: Vec<Turn>,
    /// How many tokens the instance may use before it asks again.
    pub credit: f64,
}

/// When somebody may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// With a token, from this moment on, which is near.
    Token(Timestamp),
    /// Without one; there may be one at this moment.
    Later(Timestamp),
}

impl Turn {
    /// The moment.
    pub const fn at(self) -> Timestamp {
        let (Self::Token(at) | Self::Later(at)) = self;
        at
    }
}

/// What all instances know of a limit in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Until when its tokens are spent, in nanoseconds since the Unix epoch.
    pub spent_until: u64,
    /// The last slot on the waiting list, in nanoseconds since the Unix epoch.
    pub booked_until: u64,
    /// The interval of the limit that it was used with last; 0 for one that is new.
    pub interval: u64,
}

impl Bucket {
    /// Serves an instance: takes what it owes, gives tokens to those who waited, then to the others unless somebody
    /// waits, and slots to the rest.
    pub fn serve(&mut self, limit: &RateLimit, now: Timestamp, demand: Demand) -> Supply {
        let (moment, interval) = (nanos(now), limit.interval());
        self.adopt(moment, interval, limit.burst);
        self.spent_until = self.spent_until.max(moment).saturating_add(limit.span(demand.unpaid));
        let waits = demand.horizon.is_none();
        let horizon = demand.horizon.unwrap_or_else(|| limit.patience());
        let soon = moment.saturating_add(horizon.as_nanos() as u64);
        let waited = (0..demand.waited).map(|_| self.turn(limit, moment, soon, waits)).collect();
        let has_list = self.has_waiting_list(now);
        let soon = if has_list && waits { 0 } else { soon };
        let fresh = (0..demand.fresh).map(|_| self.turn(limit, moment, soon, waits)).collect();
        let credit = if has_list { 0.0 } else { self.level(limit, now).clamp(0.0, limit.unasked()) };
        Supply { waited, fresh, credit }
    }

    /// Whether somebody waits for a token.
    pub fn has_waiting_list(&self, now: Timestamp) -> bool {
        self.booked_until > nanos(now)
    }

    /// How many tokens there are; negative when more were given than there were.
    pub fn level(&self, limit: &RateLimit, now: Timestamp) -> f64 {
        let ahead = self.spent_until.saturating_sub(nanos(now));
        f64::from(limit.burst) - ahead as f64 / limit.interval() as f64
    }

    /// Goes on under a limit that was changed: what is spent and booked counts in tokens.
    fn adopt(&mut self, now: u64, interval: u64, burst: u32) {
        if self.interval != 0 && self.interval != interval {
            let tokens = |until: u64| until.saturating_sub(now) as f64 / self.interval as f64;
            let spent = tokens(self.spent_until).min(f64::from(burst));
            let booked = tokens(self.booked_until);
            let until = |tokens: f64| now.saturating_add((tokens * interval as f64) as u64);
            (self.spent_until, self.booked_until) = (until(spent), until(booked));
        }
        self.interval = interval;
    }

    fn turn(&mut self, limit: &RateLimit, now: u64, soon: u64, waits: bool) -> Turn {
        let spent = self.spent_until.max(now).saturating_add(limit.interval());
        let free_at = spent.saturating_sub(limit.span(f64::from(limit.burst))).max(now);
        if free_at <= soon {
            self.spent_until = spent;
            return Turn::Token(timestamp(free_at));
        }
        if !waits {
            return Turn::Later(timestamp(free_at));
        }
        self.booked_until = self.booked_until.saturating_add(limit.interval()).max(free_at);
        Turn::Later(on_grid(self.booked_until))
    }
}

/// What an instance may use of a bucket without asking.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    limit: RateLimit,
    credit: f64,
    unpaid: f64,
    at: Timestamp,
}

impl Allowance {
    /// The allowance of an instance that has not asked yet.
    pub fn new(limit: RateLimit, now: Timestamp) -> Self {
        Self { limit, credit: limit.unasked(), unpaid: 0.0, at: now }
    }

    /// The limit that it is for.
    pub const fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Uses a token, if that is allowed.
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.forgive(now);
        if self.credit < 1.0 {
            return false;
        }
        self.credit -= 1.0;
        self.unpaid += 1.0;
        true
    }

    /// What was used and has to be paid now.
    pub fn unpaid(&mut self, now: Timestamp) -> f64 {
        self.forgive(now);
        self.unpaid
    }

    /// It was paid, and this is what may be used from now on.
    pub fn paid(&mut self, credit: f64, now: Timestamp) {
        (self.credit, self.unpaid, self.at) = (credit, 0.0, now);
    }

    fn forgive(&mut self, now: Timestamp) {
        let forgiven = now.since(self.at).as_secs_f64() * self.limit.per_second * FORGIVEN;
        let forgiven = forgiven.min(self.unpaid);
        self.unpaid -= forgiven;
        self.credit += forgiven;
        self.at = self.at.max(now);
    }
}

fn nanos(at: Timestamp) -> u64 {
    at.as_millis().saturating_mul(1_000_000)
}

/// Rounded up: nobody is early.
const fn timestamp(nanos: u64) -> Timestamp {
    Timestamp::from_millis(nanos.div_ceil(1_000_000))
}

fn on_grid(nanos: u64) -> Timestamp {
    let grid = GRID.as_millis() as u64;
    Timestamp::from_millis(timestamp(nanos).as_millis().div_ceil(grid) * grid)
}

#[cfg(test)]
mod tests;
