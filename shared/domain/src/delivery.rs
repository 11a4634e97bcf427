//! A delivery's life, from accepted to a final state.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::FailureReason;
use crate::{
    ChannelKind, DeadLetterId, DeliveryId, EndpointId, Event, EventId, EventType, JobId, Outcome, TenantId,
    Timestamp, Verdict,
};

/// How many attempts are kept in full: the first and the latest ones.
pub const KEPT_ATTEMPTS: usize = 25;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// Not attempted yet.
    Pending,
    /// Attempted without success; another attempt is to come.
    Retrying,
    /// The receiver has it.
    Delivered,
    /// Given up: a dead letter.
    Failed,
    /// Waits because its endpoint is paused or disabled, or its circuit open.
    Parked,
    /// Will not be attempted: somebody cancelled it, or its endpoint was deleted.
    Cancelled,
}

/// The text names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a delivery's status is pending, retrying, delivered, failed, parked or cancelled")]
pub struct UnknownStatus;

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Retrying, Self::Delivered, Self::Failed, Self::Parked, Self::Cancelled];

    /// The status as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a message in the channel's queue stands behind this status.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Retrying)
    }

    /// Whether there is an attempt to come, which could be called off.
    pub const fn awaits_attempt(self) -> bool {
        matches!(self, Self::Pending | Self::Retrying | Self::Parked)
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeliveryStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A header's name and its value. Attempts that send the same share it.
pub type RecordedHeader = (Arc<str>, Arc<str>);

/// What was sent in an attempt. Credentials are masked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestRecord {
    /// The HTTP method.
    pub method: Arc<str>,
    /// Where it was sent.
    pub url: Arc<str>,
    /// The headers, with credentials masked.
    pub headers: Vec<RecordedHeader>,
}

/// What was answered in an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseRecord {
    /// The HTTP status.
    pub status: u16,
    /// The headers, bounded.
    pub headers: Vec<RecordedHeader>,
    /// The beginning of the body, as text.
    pub body: String,
    /// Whether there was more of it.
    pub body_truncated: bool,
}

/// One try of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1 over the delivery's whole life.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What it came to.
    pub outcome: Outcome,
    /// What was sent.
    pub request: RequestRecord,
    /// What was answered, if anything was.
    pub response: Option<ResponseRecord>,
    /// Why it did not succeed, in plain words.
    pub error: Option<String>,
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Derived from the event and the endpoint.
    pub id: DeliveryId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The event.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The kind of destination.
    pub channel: ChannelKind,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How many attempts there were in all.
    pub attempt_count: u32,
    /// How many of them were before the present budget of attempts: a redrive starts a new one.
    pub spent_before: u32,
    /// How many attempts the present budget allows.
    pub max_attempts: u32,
    /// When the next attempt is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When its next message is to be sent: only for a wait that is longer than a queue can hold a message.
    pub due_at: Option<Timestamp>,
    /// Since when it is parked.
    pub parked_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the receiver got it.
    pub delivered_at: Option<Timestamp>,
    /// The latest attempts, and the first.
    pub attempts: Vec<Attempt>,
    /// Why it failed or waits, in plain words.
    pub error: Option<String>,
    /// The dead letter it became last.
    pub dead_letter: Option<DeadLetterId>,
    /// When a worker that had reason to look began an attempt that is not on record yet.
    pub claimed_at: Option<Timestamp>,
    /// The job on whose behalf its present budget of attempts began, so that a job that repeats itself knows what
    /// it has done.
    pub renewed_by: Option<JobId>,
    /// When somebody called it off: what was asked for before holds no more.
    pub cancelled_at: Option<Timestamp>,
    /// Counts changes, from 1.
    pub version: u64,
}

/// An attempt of this number is already on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("attempt {0} is already recorded")]
pub struct AlreadyRecorded(pub u32);

impl Delivery {
    /// A delivery of an event that is created at `created_at` and due at once.
    pub fn new(
        event: &Event,
        endpoint: EndpointId,
        channel: ChannelKind,
        max_attempts: u32,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id: DeliveryId::derive(event.accepted_at, &event.id, endpoint),
            tenant: event.tenant.clone(),
            event_id: event.id.clone(),
            event_type: event.event_type.clone(),
            channel,
            status: DeliveryStatus::Pending,
            attempt_count: 0,
            spent_before: 0,
            max_attempts,
            next_attempt_at: Some(created_at),
            due_at: None,
            parked_at: None,
            created_at,
            delivered_at: None,
            attempts: Vec::new(),
            error: None,
            dead_letter: None,
            claimed_at: None,
            renewed_by: None,
            cancelled_at: None,
            version: 1,
        }
    }

    /// The endpoint it is for.
    pub const fn endpoint(&self) -> EndpointId {
        self.id.endpoint()
    }

    /// How many attempts of the present budget are used.
    pub const fn spent(&self) -> u32 {
        self.attempt_count.saturating_sub(self.spent_before)
    }

    /// Puts an attempt on record, with what follows from it. After an attempt that was under way when the delivery
    /// was cancelled nothing follows, unless it succeeded.
    ///
    /// # Errors
    /// [`AlreadyRecorded`] when this or a later attempt is on record: two workers held the same message.
    pub fn record(&mut self, attempt: Attempt, verdict: Verdict) -> Result<(), AlreadyRecorded> {
        if attempt.number <= self.attempt_count {
            return Err(AlreadyRecorded(attempt.number));
        }
        let ended_at = attempt.started_at.after(attempt.duration);
        self.settle();
        self.attempt_count = attempt.number;
        self.error.clone_from(&attempt.error);
        match verdict {
            Verdict::Retry { .. } | Verdict::Failed(_) if self.status == DeliveryStatus::Cancelled => {}
            Verdict::Delivered => {
                self.status = DeliveryStatus::Delivered;
                self.delivered_at = Some(ended_at);
            }
            Verdict::Retry { at } => {
                self.status = DeliveryStatus::Retrying;
                self.next_attempt_at = Some(at);
            }
            Verdict::Failed(reason) => self.fail(reason, ended_at),
        }
        self.attempts.push(attempt);
        if self.attempts.len() > KEPT_ATTEMPTS {
            self.attempts.remove(1);
        }
        Ok(())
    }

    /// Gives the delivery up.
    pub fn fail(&mut self, reason: FailureReason, at: Timestamp) {
        self.settle();
        self.status = DeliveryStatus::Failed;
        self.dead_letter = Some(DeadLetterId::derive(at, &format!("{}/{}", self.id, reason.as_str())));
    }

    /// Sets it aside until its endpoint takes deliveries again.
    pub fn park(&mut self, why: impl Into<String>, now: Timestamp) {
        self.settle();
        self.status = DeliveryStatus::Parked;
        self.parked_at = Some(now);
        self.error = Some(why.into());
    }

    /// Sets it aside after an attempt that did not succeed, so that those behind it go on.
    pub fn give_way(&mut self, now: Timestamp) {
        let why = "it was parked because it held back the deliveries behind it for too long";
        let why = self.error.as_ref().map_or_else(|| why.to_owned(), |error| format!("{error}; {why}"));
        self.park(why, now);
    }

    /// Makes it due now, with a new budget of attempts.
    pub fn restart(&mut self, now: Timestamp) {
        self.spent_before = self.attempt_count;
        self.renewed_by = None;
        self.cancelled_at = None;
        self.resume(now);
    }

    /// Makes it due now, with what is left of its budget.
    pub fn resume(&mut self, now: Timestamp) {
        let tried = self.spent() > 0;
        self.status = if tried { DeliveryStatus::Retrying } else { DeliveryStatus::Pending };
        self.next_attempt_at = Some(now);
        self.due_at = None;
        self.parked_at = None;
        self.error = None;
    }

    /// Nobody is at it, and nothing is to come.
    fn settle(&mut self) {
        self.next_attempt_at = None;
        self.due_at = None;
        self.parked_at = None;
        self.claimed_at = None;
    }

    /// Ends it without an attempt.
    pub fn cancel(&mut self, why: impl Into<String>) {
        self.settle();
        self.status = DeliveryStatus::Cancelled;
        self.error = Some(why.into());
    }
}

#[cfg(test)]
mod tests;
