//! Dealing with dead letters, each by itself: redriving, resolving, discarding.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use postrider_domain::{DeadLetterId, DeliveryStatus, TenantId};

use super::{Redeliver, RedeliverError, TRIES};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueName, TableError};
use crate::stores::dead_letters::{DeadLetter, DeadLetterState, Handling};

/// How many dead letters are dealt with at the same time.
const PARALLEL: usize = 8;

/// What somebody wants to be done with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Deliver them again.
    Redrive,
    /// They were dealt with by other means.
    Resolve,
    /// They are not wanted any more.
    Discard,
}

impl Settlement {
    /// What a dead letter is afterwards.
    pub const fn state(self) -> DeadLetterState {
        match self {
            Self::Redrive => DeadLetterState::Redriven,
            Self::Resolve => DeadLetterState::Resolved,
            Self::Discard => DeadLetterState::Discarded,
        }
    }
}

impl Redeliver {
    /// Deals with dead letters. Answers each as it is then, or why nothing could be done.
    pub async fn settle_all(
        &self,
        tenant: &TenantId,
        ids: Vec<DeadLetterId>,
        settlement: Settlement,
        by: &str,
        note: Option<&str>,
    ) -> Vec<(DeadLetterId, Result<DeadLetter, RedeliverError>)> {
        let settled = ids
            .into_iter()
            .map(|id| async move { (id, self.settle(tenant, id, settlement, by, note).await) });
        stream::iter(settled).buffered(PARALLEL).collect().await
    }

    /// Deals with a dead letter. Doing the same again changes nothing.
    ///
    /// # Errors
    /// When there is no such dead letter, somebody did something else about it, there is nothing to send, or a
    /// store fails.
    pub async fn settle(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        settlement: Settlement,
        by: &str,
        note: Option<&str>,
    ) -> Result<DeadLetter, RedeliverError> {
        let find = async || -> Result<DeadLetter, RedeliverError> {
            self.dead_letters.get(tenant, id).await?.ok_or(RedeliverError::UnknownDeadLetter(id))
        };
        let mut letter = find().await?;
        if letter.state == DeadLetterState::Pending && settlement == Settlement::Redrive {
            self.redrive(&letter).await?;
        }
        for _ in 0..TRIES {
            if letter.state == settlement.state() {
                return Ok(letter);
            }
            if letter.state != DeadLetterState::Pending {
                return Err(RedeliverError::Handled(letter.state));
            }
            letter.state = settlement.state();
            let (at, by, note) = (self.clock.now(), by.to_owned(), note.map(str::to_owned));
            letter.handled = Some(Handling { at, by, note, job: None });
            if self.dead_letters.save(&letter).await? {
                return Ok(letter);
            }
            letter = find().await?;
        }
        Err(RedeliverError::Contended)
    }

    /// Sends what a dead letter stands for. What was delivered since, is on its way, or was given up again as
    /// another dead letter, is not sent once more.
    async fn redrive(&self, letter: &DeadLetter) -> Result<(), RedeliverError> {
        let Some(delivery) = letter.delivery else {
            let message = self.match_again(letter).await?;
            return Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?);
        };
        let found = self.deliveries.get(&letter.tenant, delivery).await?;
        let mut delivery = found.ok_or(RedeliverError::UnknownDelivery(delivery))?;
        if delivery.status == DeliveryStatus::Failed && delivery.dead_letter == Some(letter.id) {
            let endpoint = self.endpoints.get(&letter.tenant, delivery.endpoint()).await?;
            let endpoint = endpoint.ok_or(RedeliverError::EndpointDeleted)?.endpoint;
            let stored = self.events.get(&letter.tenant, &delivery.event_id).await?;
            let stored = stored.ok_or(RedeliverError::EventExpired)?;
            self.send_again(&stored, &endpoint, &mut delivery).await?;
        }
        Ok(())
    }

    /// The message that sends an event which could not be matched through fan-out again.
    async fn match_again(&self, letter: &DeadLetter) -> Result<OutgoingMessage, RedeliverError> {
        let event = letter.event_id.as_ref().ok_or(RedeliverError::Unreadable)?;
        let stored = self.events.get(&letter.tenant, event).await?.ok_or(RedeliverError::EventExpired)?;
        Ok(OutgoingMessage::of(&letter.tenant, stored.fan_out(), Duration::ZERO))
    }

    /// Notes that a dead letter, if it is on record and nobody did anything about it, is being delivered again.
    pub(crate) async fn mark_redriven(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        handling: Handling,
    ) -> Result<(), TableError> {
        let Some(mut letter) = self.dead_letters.get(tenant, id).await? else { return Ok(()) };
        if letter.state == DeadLetterState::Pending {
            letter.state = DeadLetterState::Redriven;
            letter.handled = Some(handling);
            // Somebody else who marked it meanwhile knew what they did.
            self.dead_letters.save(&letter).await?;
        }
        Ok(())
    }
}
