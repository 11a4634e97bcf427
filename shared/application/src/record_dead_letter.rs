//! What arrives in a dead-letter queue becomes a dead letter in the ledger, where people find it.
//!
//! A delivery that was given up is marked so already. A message that was handed out too often is not: its
//! delivery, or its event, is given up here.

use std::sync::Arc;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, Delivery, DeliveryId, DeliveryStatus, Timestamp};

use crate::messages::{ChannelMessage, DeliverMessage, EventsMessage, FanOutMessage, MessageError};
use crate::ports::queue::failure;
use crate::ports::{Clock, QueueRecord, TableError};
use crate::stores::dead_letters::{DeadLetter, DeadLetterState};
use crate::stores::deliveries::Saved;
use crate::stores::{DeadLetters, Deliveries};

/// Why a poisoned message was given up, in plain words.
const POISONED: &str =
    "given up after its message was handed out too often without success; the logs tell why";

/// A message could not be dealt with; it stays in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The message cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The delivery changed at the same time.
    #[error("the delivery {0} changed at the same time")]
    Changed(DeliveryId),
}

/// Records dead letters.
pub struct RecordDeadLetter {
    deliveries: Deliveries,
    dead_letters: DeadLetters,
    clock: Arc<dyn Clock>,
}

impl RecordDeadLetter {
    /// A recorder over these stores.
    pub fn new(deliveries: Deliveries, dead_letters: DeadLetters, clock: Arc<dyn Clock>) -> Self {
        Self { deliveries, dead_letters, clock }
    }

    /// Deals with a batch of a dead-letter queue, whichever it is: messages say what they are. Answers the ids of
    /// the messages that must stay.
    pub async fn handle(&self, records: Vec<QueueRecord>) -> Vec<String> {
        let mut failed = Vec::new();
        for record in records {
            let result = self.deal_with(&record).await;
            failed.extend(failure(&record, result));
        }
        failed
    }

    async fn deal_with(&self, record: &QueueRecord) -> Result<(), RecordError> {
        if let Ok(message) = EventsMessage::read(&record.body) {
            return match message {
                EventsMessage::FanOut(message) => self.unmatched(*message).await,
                // The deliveries stay parked; resuming the endpoint once more releases them.
                EventsMessage::Release(_) | EventsMessage::Skip(_) => Ok(()),
            };
        }
        match ChannelMessage::read(&record.body)? {
            ChannelMessage::GivenUp(message) => {
                let (tenant, id, reason) = message.read()?;
                self.given_up(&tenant, id, reason).await
            }
            ChannelMessage::Deliver(message) => self.poisoned(*message).await,
        }
    }

    async fn given_up(
        &self,
        tenant: &postrider_domain::TenantId,
        id: DeliveryId,
        reason: FailureReason,
    ) -> Result<(), RecordError> {
        match self.deliveries.get(tenant, id).await? {
            // Redriven before it was recorded: there is nothing left to record.
            Some(delivery) if delivery.status == DeliveryStatus::Failed => {
                self.record(&delivery, reason).await
            }
            _ => Ok(()),
        }
    }

    async fn poisoned(&self, message: DeliverMessage) -> Result<(), RecordError> {
        let (tenant, endpoint) = message.address()?;
        let (event, _) = message.event.read(&tenant)?;
        let id = DeliveryId::derive(event.accepted_at, &event.id, endpoint);
        let Some(mut delivery) = self.deliveries.get(&tenant, id).await? else { return Ok(()) };
        if delivery.status == DeliveryStatus::Failed {
            return self.record(&delivery, FailureReason::Poisoned).await;
        }
        // A later attempt is at work, or was: this message was only a leftover.
        if !delivery.status.is_waiting() || delivery.attempt_count >= message.attempt {
            return Ok(());
        }
        delivery.fail(FailureReason::Poisoned, self.clock.now());
        delivery.error = Some(POISONED.to_owned());
        match self.deliveries.save(&delivery).await? {
            Saved::Yes => self.record(&delivery, FailureReason::Poisoned).await,
            Saved::Changed(_) => Err(RecordError::Changed(id)),
        }
    }

    async fn record(&self, delivery: &Delivery, reason: FailureReason) -> Result<(), RecordError> {
        let Some(id) = delivery.dead_letter else { return Ok(()) };
        let letter = DeadLetter {
            id,
            tenant: delivery.tenant.clone(),
            state: DeadLetterState::Pending,
            reason,
            event_id: delivery.event_id.clone(),
            event_type: delivery.event_type.clone(),
            delivery: Some(delivery.id),
            error: delivery.error.clone(),
            attempt_count: delivery.attempt_count,
            created_at: Timestamp::from_millis(id.ulid().timestamp_ms()),
            handled: None,
            note: None,
            version: 1,
        };
        Ok(self.dead_letters.create(&letter).await?)
    }

    async fn unmatched(&self, message: FanOutMessage) -> Result<(), RecordError> {
        let tenant = message.tenant()?;
        let (event, _) = message.event.read(&tenant)?;
        // The same on every repetition, as the time of acceptance is.
        let id = DeadLetterId::derive(event.accepted_at, event.id.as_str());
        let letter = DeadLetter {
            id,
            tenant,
            state: DeadLetterState::Pending,
            reason: FailureReason::Poisoned,
            event_id: event.id,
            event_type: event.event_type,
            delivery: None,
            error: Some(POISONED.to_owned()),
            attempt_count: 0,
            created_at: self.clock.now(),
            handled: None,
            note: None,
            version: 1,
        };
        Ok(self.dead_letters.create(&letter).await?)
    }
}
