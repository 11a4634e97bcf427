//! Messages of the queue `events`.

use std::sync::Arc;

use postrider_domain::{DeliveryId, EndpointId, JobId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MessageError, WireEvent, check_version, write};

/// What can be in the queue `events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsMessage {
    /// Match an event with subscriptions.
    FanOut(FanOutMessage),
    /// Let the parked deliveries of an endpoint go on.
    Release(ReleaseMessage),
    /// Cancel the parked deliveries of an endpoint.
    Skip(SkipMessage),
    /// Do the next portion of a job.
    Job(JobMessage),
}

/// Match an event with subscriptions and make a delivery for each endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FanOutMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// The event.
    pub event: Arc<WireEvent>,
    /// Whether the event was published again: only endpoints that were there the first time get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// The endpoint after which to begin.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::as_text::option")]
    pub after: Option<EndpointId>,
}

impl FanOutMessage {
    /// Match this event.
    pub fn new(tenant: &TenantId, event: impl Into<Arc<WireEvent>>) -> Self {
        Self { v: 1, tenant: tenant.clone(), event: event.into(), repeated: false, after: None }
    }

    /// The same for an event that was published again.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }

    /// The same, going on after an endpoint in the order of their ids.
    #[must_use]
    pub fn going_on(mut self, after: EndpointId) -> Self {
        self.after = Some(after);
        self
    }
}

/// Let the parked deliveries of an endpoint go on, the oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// Its endpoint.
    #[serde(with = "super::as_text")]
    pub endpoint: EndpointId,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whether its circuit asks for it, and not a person: then what a person keeps stays parked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_circuit: bool,
    /// Whether only as many go on as there are probes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_probes: bool,
    /// Whether its line ended instead: what waited there, not parked, goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_line: bool,
}

/// How far a drain is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The delivery after which to begin.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::as_text::option")]
    pub after: Option<DeliveryId>,
    /// The number of the drain; none before it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<u64>,
    /// Whether everything was looked at already, and this is only for what was parked at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last_look: bool,
}

impl Progress {
    /// A drain after a delivery.
    pub fn of(drain: u64, after: Option<DeliveryId>, last_look: bool) -> Self {
        Self { after, drain: Some(drain), last_look }
    }

    /// After a delivery, of what is no drain.
    pub fn after_delivery(after: DeliveryId) -> Self {
        Self { after: Some(after), ..Self::default() }
    }
}

impl ReleaseMessage {
    /// Release all deliveries of this endpoint, on a person's request.
    pub fn all(tenant: &TenantId, endpoint: EndpointId) -> Self {
        let (tenant, progress) = (tenant.clone(), Progress::default());
        Self { v: 1, tenant, endpoint, progress, by_circuit: false, as_probes: false, of_line: false }
    }

    /// Let all deliveries go that waited for each other.
    pub fn of_line(tenant: &TenantId, endpoint: EndpointId) -> Self {
        Self { of_line: true, ..Self::all(tenant, endpoint) }
    }

    /// Release all deliveries that were parked because of the endpoint's circuit, or a few of them as probes.
    pub fn of_circuit(tenant: &TenantId, endpoint: EndpointId, as_probes: bool) -> Self {
        Self { by_circuit: true, as_probes, ..Self::all(tenant, endpoint) }
    }

    /// The same, further on.
    #[must_use]
    pub fn at(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }
}

/// Cancel the parked deliveries of an endpoint that were created until a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SkipMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// Its endpoint.
    #[serde(with = "super::as_text")]
    pub endpoint: EndpointId,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Who wants it.
    pub by: String,
    until: u64,
}

impl SkipMessage {
    /// Cancel the deliveries of this endpoint that were created until `until`, because `by` wants it.
    pub fn new(tenant: &TenantId, endpoint: EndpointId, by: &str, until: Timestamp) -> Self {
        let (tenant, by) = (tenant.clone(), by.to_owned());
        Self { v: 1, tenant, endpoint, progress: Progress::default(), by, until: until.as_millis() }
    }

    /// The same, further on.
    #[must_use]
    pub fn at(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// The latest creation of what is cancelled.
    pub const fn until(&self) -> Timestamp {
        Timestamp::from_millis(self.until)
    }
}

/// Do a portion of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobMessage {
    v: u32,
    /// The tenant.
    #[serde(with = "super::as_text")]
    pub tenant: TenantId,
    /// The job.
    #[serde(with = "super::as_text")]
    pub job: JobId,
    /// The number of the portion: the job goes on only if this is the one that is next.
    pub portion: u64,
}

impl JobMessage {
    /// Do this portion of this job.
    pub fn new(tenant: &TenantId, job: JobId, portion: u64) -> Self {
        Self { v: 1, tenant: tenant.clone(), job, portion }
    }
}

impl EventsMessage {
    /// The message's text.
    pub(super) fn write(&self) -> String {
        match self {
            Self::FanOut(message) => write(self, Some(&message.event)),
            Self::Release(_) | Self::Skip(_) | Self::Job(_) => write(self, None),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is not one, or not of a version that is known here.
    pub(super) fn read(body: &str) -> Result<Self, MessageError> {
        let message = serde_json::from_str(body).map_err(MessageError::new)?;
        check_version(match &message {
            Self::FanOut(message) => message.v,
            Self::Release(message) => message.v,
            Self::Skip(message) => message.v,
            Self::Job(message) => message.v,
        })?;
        Ok(message)
    }
}
