//! Messages of the queue `events`.

use postrider_domain::{DeliveryId, EndpointId, JobId, TenantId};
use serde::{Deserialize, Serialize};

use super::{MessageError, WireEvent, check_version, write};

/// What can be in the queue `events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsMessage {
    /// Match an event with subscriptions.
    FanOut(Box<FanOutMessage>),
    /// Let the parked deliveries of an endpoint go on.
    Release(ReleaseMessage),
    /// Do the next portion of a job.
    Job(JobMessage),
}

/// Match an event with subscriptions and make a delivery for each endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FanOutMessage {
    v: u32,
    tenant: String,
    /// The event.
    pub event: WireEvent,
    /// Whether the event was published again: only endpoints that were there the first time get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl FanOutMessage {
    /// Match this event.
    pub fn new(tenant: &TenantId, event: WireEvent) -> Self {
        Self { v: 1, tenant: tenant.to_string(), event, repeated: false, after: None }
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
        self.after = Some(after.to_string());
        self
    }

    /// The tenant.
    ///
    /// # Errors
    /// When it is not an id.
    pub fn tenant(&self) -> Result<TenantId, MessageError> {
        self.tenant.parse().map_err(MessageError::new)
    }

    /// The endpoint after which to begin.
    ///
    /// # Errors
    /// When it is not an id.
    pub fn after(&self) -> Result<Option<EndpointId>, MessageError> {
        self.after.as_deref().map(str::parse).transpose().map_err(MessageError::new)
    }
}

/// Let the parked deliveries of an endpoint go on, the oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseMessage {
    v: u32,
    tenant: String,
    endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl ReleaseMessage {
    /// Release the deliveries of this endpoint, those after `after`.
    pub fn new(tenant: &TenantId, endpoint: EndpointId, after: Option<DeliveryId>) -> Self {
        let after = after.map(|id| id.to_string());
        Self { v: 1, tenant: tenant.to_string(), endpoint: endpoint.to_string(), after }
    }

    /// The delivery after which to begin.
    ///
    /// # Errors
    /// When it is not an id.
    pub fn after(&self) -> Result<Option<DeliveryId>, MessageError> {
        self.after.as_deref().map(str::parse).transpose().map_err(MessageError::new)
    }

    /// The tenant and its endpoint.
    ///
    /// # Errors
    /// When one is not an id.
    pub fn read(&self) -> Result<(TenantId, EndpointId), MessageError> {
        let tenant = self.tenant.parse().map_err(MessageError::new)?;
        Ok((tenant, self.endpoint.parse().map_err(MessageError::new)?))
    }
}

/// Do a portion of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobMessage {
    v: u32,
    tenant: String,
    job: String,
    /// The number of the portion: the job goes on only if this is the one that is next.
    pub portion: u64,
}

impl JobMessage {
    /// Do this portion of this job.
    pub fn new(tenant: &TenantId, job: JobId, portion: u64) -> Self {
        Self { v: 1, tenant: tenant.to_string(), job: job.to_string(), portion }
    }

    /// The tenant and its job.
    ///
    /// # Errors
    /// When one is not an id.
    pub fn read(&self) -> Result<(TenantId, JobId), MessageError> {
        let tenant = self.tenant.parse().map_err(MessageError::new)?;
        Ok((tenant, self.job.parse().map_err(MessageError::new)?))
    }
}

impl EventsMessage {
    /// The message's text.
    pub fn write(&self) -> String {
        write(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is not one, or not of a version that is known here.
    pub fn read(body: &str) -> Result<Self, MessageError> {
        let message = serde_json::from_str(body).map_err(MessageError::new)?;
        check_version(match &message {
            Self::FanOut(message) => message.v,
            Self::Release(message) => message.v,
            Self::Job(message) => message.v,
        })?;
        Ok(message)
    }
}
