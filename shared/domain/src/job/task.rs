//! What a job is to do.

use crate::outcome::FailureReason;
use crate::{Delivery, DeliveryStatus, EndpointId, EventId, EventType, Pattern, Timestamp};

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Deliver dead letters again.
    Redrive(Redrive),
    /// Deliver again what was delivered, or was to be.
    Replay(Replay),
}

impl Task {
    /// The kind of job, as the API and the tables write it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Redrive(_) => "redrive",
            Self::Replay(_) => "replay",
        }
    }
}

/// Which pending dead letters to redrive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redrive {
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Given up for this reason.
    pub reason: Option<FailureReason>,
    /// Given up at or after this moment.
    pub since: Option<Timestamp>,
    /// Given up before this moment.
    pub until: Option<Timestamp>,
}

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// An event, to these endpoints, or to those that had a delivery of it.
    Event {
        /// The event.
        event: EventId,
        /// The endpoints, in the order of their ids and each once.
        endpoints: Option<Vec<EndpointId>>,
    },
    /// Deliveries of an endpoint.
    Endpoint(ReplayScope),
}

/// Which deliveries of an endpoint to replay, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayScope {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Of events accepted at or after this moment.
    pub since: Timestamp,
    /// Of events accepted before this moment.
    pub until: Timestamp,
    /// With this status.
    pub status: Option<DeliveryStatus>,
    /// Of events of these types; of all when empty.
    pub event_types: Vec<Pattern>,
    /// To this endpoint instead.
    pub to_endpoint: Option<EndpointId>,
}

impl ReplayScope {
    /// Where the deliveries go.
    pub fn target(&self) -> EndpointId {
        self.to_endpoint.unwrap_or(self.endpoint)
    }

    /// Whether a delivery of the endpoint's, of an event in the range of time, is asked for.
    pub fn admits(&self, status: DeliveryStatus, event_type: &EventType) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && (self.event_types.is_empty() || self.event_types.iter().any(|types| types.matches(event_type)))
    }

    /// Whether the delivery at the target, which is there already, would be attempted without the replay. One that
    /// waits or is parked is only made to go on now when its status was asked for.
    pub fn leaves_alone(&self, existing: &Delivery) -> bool {
        let is_asked_for = self.to_endpoint.is_none() && self.status == Some(existing.status);
        existing.status == DeliveryStatus::Pending || (existing.status.awaits_attempt() && !is_asked_for)
    }
}
