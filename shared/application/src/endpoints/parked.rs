//! What becomes of the deliveries that are parked for an endpoint: a person may let them go on, skip them, or keep
//! them for later.
//!
//! What they chose is put down before a message is sent. If that gets lost, nobody does the contrary: what was to go on
//! is found by the reconciliation and released, what was to be skipped stays parked as if it was to be kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postrider_domain::{EndpointId, EndpointStatus, TenantId};

use super::{ChangeStatus, EndpointError};
use crate::messages::{Body, ReleaseMessage, SkipMessage};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueName};
use crate::stores::drains::{Drain, DrainState};

/// After how much time every worker knows that an endpoint was changed, with some room.
const KNOWN_BY_ALL: Duration = Duration::from_secs(20);

/// What to do with parked deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParkedChoice {
    /// They go on, the oldest first.
    #[default]
    Drain,
    /// They are cancelled.
    Skip,
    /// They stay parked until somebody says otherwise.
    Keep,
}

/// The text names no choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what becomes of parked deliveries is drain, skip or keep")]
pub struct UnknownChoice;

impl ParkedChoice {
    /// The choice as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Skip => "skip",
            Self::Keep => "keep",
        }
    }
}

impl fmt::Display for ParkedChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ParkedChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let choices = [Self::Drain, Self::Skip, Self::Keep];
        choices.into_iter().find(|choice| choice.as_str() == text).ok_or(UnknownChoice)
    }
}

impl ChangeStatus {
    /// Does something with the parked deliveries of an endpoint, whose status stays as it is.
    ///
    /// # Errors
    /// When there is no such endpoint, it would only park them again, or a store fails.
    pub async fn decide_parked(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        choice: ParkedChoice,
        by: &str,
    ) -> Result<(), EndpointError> {
        let record = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
        if choice == ParkedChoice::Drain && record.endpoint.status != EndpointStatus::Active {
            return Err(EndpointError::NotActive(id, record.endpoint.status));
        }
        self.put_down(tenant, id, choice).await?;
        self.treat_parked(tenant, id, choice, by).await
    }

    /// Lets go what waits for each other, because the endpoint is not ordered any more. The message goes first, so that
    /// nothing is left waiting if the change is the last thing that is done, and arrives when every worker knows it.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn end_line(&self, tenant: &TenantId, id: EndpointId) -> Result<(), EndpointError> {
        let record = self.endpoints.get(tenant, id).await?;
        if record.is_none_or(|record| record.endpoint.in_order.is_none()) {
            return Ok(());
        }
        let message = OutgoingMessage::of(tenant, ReleaseMessage::of_line(tenant, id), KNOWN_BY_ALL);
        Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?)
    }

    /// Puts down what a person chose for an endpoint that there is: what is parked now is released only if they want it
    /// to go on.
    pub(super) async fn put_down(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        choice: ParkedChoice,
    ) -> Result<(), EndpointError> {
        let now = self.clock.now();
        let keep = |drain: &mut Drain| {
            drain.begin(DrainState::Idle, now);
            (drain.started_at, drain.kept_at) = (None, Some(now));
            true
        };
        let let_go = |drain: &mut Drain| drain.kept_at.take().is_some();
        match choice {
            ParkedChoice::Drain => self.drains.change(tenant, id, now, let_go).await?,
            ParkedChoice::Skip | ParkedChoice::Keep => self.drains.change(tenant, id, now, keep).await?,
        };
        Ok(())
    }

    pub(super) async fn treat_parked(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        choice: ParkedChoice,
        by: &str,
    ) -> Result<(), EndpointError> {
        let message = match choice {
            ParkedChoice::Keep => return Ok(()),
            ParkedChoice::Drain => Body::from(ReleaseMessage::all(tenant, id)),
            ParkedChoice::Skip => SkipMessage::new(tenant, id, by, self.clock.now()).into(),
        };
        let message = OutgoingMessage::of(tenant, message, Duration::ZERO);
        Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?)
    }
}
