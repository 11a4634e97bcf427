//! Messages of the queue `events`.

use std::sync::Arc;

use postrider_domain::{DeliveryId, EndpointId, TenantId};
use serde::{Deserialize, Serialize};

use super::{MessageError, WireEvent, write};

/// What can be in the queue `events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsMessage {
    /// Match an event with subscriptions.
    FanOut(Box<FanOutMessage>),
    /// Let the parked deliveries of an endpoint go on.
    Release(ReleaseMessage),
}

/// Match an event with subscriptions and make a delivery for each endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FanOutMessage {
    v: u32,
    tenant: String,
    /// The event.
    #[serde(with = "super::shared")]
    pub event: Arc<WireEvent>,
    /// Whether the event was published again: only endpoints that were there the first time get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl FanOutMessage {
    /// Match this event.
    pub fn new(tenant: &TenantId, event: impl Into<Arc<WireEvent>>) -> Self {
        Self { v: 1, tenant: tenant.to_string(), event: event.into(), repeated: false, after: None }
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

impl EventsMessage {
    /// The message's text.
    pub fn write(&self) -> String {
        match self {
            Self::FanOut(message) => write(self, Some(&message.event)),
            Self::Release(_) => write(self, None),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(body: &str) -> Result<Self, MessageError> {
        serde_json::from_str(body).map_err(MessageError::new)
    }
}
