//! Jobs: work on many deliveries that somebody asked for, done in portions, at a rate, with its progress on
//! record.

mod counts;
mod rate;
mod task;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use counts::{Counts, SkipReason, UnknownSkipReason};
pub use rate::{Rate, RateError};
pub use task::{Redrive, Replay, ReplayScope, Task};

use crate::{JobId, TenantId, Timestamp};

/// For how long an open job may show no progress before it is taken for stuck: longer than its message can be
/// hidden while a worker is at it, and longer than a portion lasts.
pub const STALLED: Duration = Duration::from_secs(15 * 60);

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// Everything was looked at.
    Done,
    /// Somebody called it off.
    Cancelled,
    /// It cannot go on by itself.
    Failed,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job's state is pending, running, done, cancelled or failed")]
pub struct UnknownJobState;

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Done, Self::Cancelled, Self::Failed];

    /// The state as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether there is work to come.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownJobState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownJobState)
    }
}

/// What a job cannot do in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobStateError {
    /// It is over.
    #[error("the job is {0}, so there is nothing to call off")]
    NotCancellable(JobState),
    /// It is over, as far as a job can be.
    #[error("the job is {0} and cannot go on; start another one")]
    Over(JobState),
    /// It goes on by itself.
    #[error("the job is at work; it can be resumed when it has failed or shows no progress for 15 minutes")]
    AtWork,
}

/// Work on many deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Sorts by the time of creation.
    pub id: JobId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What is to be done.
    pub task: Task,
    /// How fast, at most.
    pub rate: Rate,
    /// What the one who asked for it noted.
    pub note: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// What it came to so far.
    pub counts: Counts,
    /// The last thing that was looked at; `None` before the first portion.
    pub cursor: Option<String>,
    /// The number of the portion that is next, from 1. Only a message with this number moves the job on.
    pub portion: u64,
    /// When that portion may begin.
    pub not_before: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Who asked for it.
    pub created_by: String,
    /// When the first portion was over.
    pub started_at: Option<Timestamp>,
    /// When it ended, whatever its end was.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, in plain words.
    pub error: Option<String>,
    /// Counts changes, from 1.
    pub version: u64,
}

/// What one portion of a job came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Portion {
    /// What became of the things in it.
    pub counts: Counts,
    /// The last thing that was looked at.
    pub cursor: Option<String>,
    /// Whether there may be more.
    pub goes_on: bool,
}

impl Job {
    /// A job that has not begun.
    pub fn new(
        id: JobId,
        tenant: TenantId,
        task: Task,
        rate: Rate,
        by: impl Into<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant,
            task,
            rate,
            note: None,
            state: JobState::Pending,
            counts: Counts::default(),
            cursor: None,
            portion: 1,
            not_before: now,
            created_at: now,
            created_by: by.into(),
            started_at: None,
            ended_at: None,
            error: None,
            version: 1,
        }
    }

    /// Puts the portion that was next on record. A job that was called off meanwhile stays so.
    pub fn advance(&mut self, portion: &Portion, now: Timestamp) {
        self.counts.add(&portion.counts);
        if portion.cursor.is_some() {
            self.cursor.clone_from(&portion.cursor);
        }
        self.portion += 1;
        self.started_at.get_or_insert(now);
        self.not_before = now.after(self.rate.time_for(portion.counts.sent));
        if !self.state.is_open() {
            return;
        }
        self.state = if portion.goes_on { JobState::Running } else { JobState::Done };
        self.ended_at = (!portion.goes_on).then_some(now);
    }

    /// Calls it off: portions to come are not begun.
    ///
    /// # Errors
    /// When it is over.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), JobStateError> {
        if !self.state.is_open() && self.state != JobState::Failed {
            return Err(JobStateError::NotCancellable(self.state));
        }
        self.state = JobState::Cancelled;
        self.ended_at = Some(now);
        Ok(())
    }

    /// Gives it up until somebody resumes it.
    pub fn fail(&mut self, error: impl Into<String>, now: Timestamp) {
        self.state = JobState::Failed;
        self.error = Some(error.into());
        self.ended_at = Some(now);
    }

    /// Lets it go on where it stands, under a new number, so that a message of before moves nothing.
    ///
    /// # Errors
    /// When it is over, or at work.
    pub fn resume(&mut self, now: Timestamp) -> Result<(), JobStateError> {
        match self.state {
            JobState::Done | JobState::Cancelled => return Err(JobStateError::Over(self.state)),
            JobState::Pending | JobState::Running if now.since(self.not_before) < STALLED => {
                return Err(JobStateError::AtWork);
            }
            JobState::Pending | JobState::Running | JobState::Failed => {}
        }
        self.state = if self.started_at.is_some() { JobState::Running } else { JobState::Pending };
        self.portion += 1;
        self.not_before = self.not_before.max(now);
        self.error = None;
        self.ended_at = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
