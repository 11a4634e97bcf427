//! Messages of the channels' queues and of their dead-letter queues.

use std::sync::Arc;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{Delivery, DeliveryId, EndpointId, JobId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MessageError, WireEvent, check_version, write};

/// What can be in a channel's queue or its dead-letter queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMessage {
    /// Attempt a delivery. In a dead-letter queue: it was handed out too often.
    Deliver(DeliverMessage),
    /// Only in a dead-letter queue: the delivery was given up.
    GivenUp(GivenUpMessage),
}

/// Attempt a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// Its endpoint.
    #[serde(with = "super::as_text")]
    pub endpoint: EndpointId,
    /// The endpoint's version that the sender knew: a reader with an older one asks again.
    pub endpoint_version: u64,
    /// The number of the attempt to be made, from 1.
    pub attempt: u32,
    /// Whether the same message may have been sent before, so that the ledger has to be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recheck: bool,
    /// Whether somebody asked for this attempt: it is made whatever the delivery's status is, and begins a new
    /// budget of attempts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renew: bool,
    /// The job that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::as_text::option")]
    pub job: Option<JobId>,
    /// When somebody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    /// Whether it was sent again without an attempt, because it has to wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returned: bool,
    /// The interval of the rate limit, in nanoseconds, under which `not_before` is a slot of the waiting list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot_interval: Option<u64>,
    created_at: u64,
    /// The event.
    pub event: Arc<WireEvent>,
}

impl DeliverMessage {
    /// The first attempt of a delivery that was created at `created_at`.
    pub fn first(
        tenant: &TenantId,
        endpoint: EndpointId,
        endpoint_version: u64,
        created_at: Timestamp,
        event: impl Into<Arc<WireEvent>>,
    ) -> Self {
        Self {
            v: 1,
            tenant: tenant.clone(),
            endpoint,
            endpoint_version,
            attempt: 1,
            recheck: false,
            renew: false,
            job: None,
            asked_at: None,
            not_before: None,
            returned: false,
            slot_interval: None,
            created_at: created_at.as_millis(),
            event: event.into(),
        }
    }

    /// The same delivery's attempt `number`, not before `at`.
    #[must_use]
    pub fn attempt_at(mut self, number: u32, at: Option<Timestamp>) -> Self {
        self.attempt = number;
        self.not_before = at.map(Timestamp::as_millis);
        self.renew = false;
        (self.returned, self.slot_interval) = (false, None);
        (self.job, self.asked_at) = (None, None);
        self
    }

    /// The same attempt, at a slot of a waiting list under a rate limit of this interval in nanoseconds.
    #[must_use]
    pub fn at_slot(mut self, slot: Timestamp, interval: u64) -> Self {
        self.not_before = Some(slot.as_millis());
        (self.returned, self.slot_interval) = (true, Some(interval));
        self
    }

    /// The same attempt at a later moment, which nobody asks for again.
    #[must_use]
    pub fn later(mut self, at: Timestamp) -> Self {
        self.not_before = Some(at.as_millis());
        (self.returned, self.slot_interval) = (true, None);
        self
    }

    /// The interval of the rate limit under which it has a slot; `None` when it was on no waiting list.
    pub const fn slot_interval(&self) -> Option<u64> {
        self.slot_interval
    }

    /// The same message, on somebody's request at this moment.
    #[must_use]
    pub fn renewed(mut self, job: Option<JobId>, at: Timestamp) -> Self {
        self.renew = true;
        self.asked_at = Some(at.as_millis());
        self.job = job;
        self
    }

    /// Whether somebody has called the delivery off since they asked for this attempt.
    pub fn is_called_off(&self, delivery: &Delivery) -> bool {
        let asked_at = self.asked_at.map(Timestamp::from_millis).unwrap_or_default();
        delivery.cancelled_at.is_some_and(|at| asked_at < at)
    }

    /// The same message, to be checked against the ledger.
    #[must_use]
    pub fn rechecked(mut self) -> Self {
        self.recheck = true;
        self
    }

    /// The earliest moment of the attempt: a message that arrives before it waits once more.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before.map(Timestamp::from_millis)
    }

    /// When the delivery was created.
    pub const fn created_at(&self) -> Timestamp {
        Timestamp::from_millis(self.created_at)
    }
}

/// A delivery was given up; the ledger says so already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GivenUpMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// Its delivery.
    #[serde(with = "super::as_text")]
    pub delivery: DeliveryId,
    /// Why.
    #[serde(with = "super::as_text")]
    pub reason: FailureReason,
}

impl GivenUpMessage {
    /// This delivery was given up for this reason.
    pub fn new(tenant: &TenantId, delivery: DeliveryId, reason: FailureReason) -> Self {
        Self { v: 1, tenant: tenant.clone(), delivery, reason }
    }
}

impl ChannelMessage {
    /// The message's text.
    pub(super) fn write(&self) -> String {
        match self {
            Self::Deliver(message) => write(self, Some(&message.event)),
            Self::GivenUp(_) => write(self, None),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is not one, or not of a version that is known here.
    pub(super) fn read(body: &str) -> Result<Self, MessageError> {
        let message = serde_json::from_str(body).map_err(MessageError::new)?;
        check_version(match &message {
            Self::Deliver(message) => message.v,
            Self::GivenUp(message) => message.v,
        })?;
        Ok(message)
    }
}
