//! What arrives in a dead-letter queue becomes a dead letter in the ledger, where people find it.
//!
//! A delivery that was given up is marked so already. A message that was handed out too often is not: its
//! delivery, its event or its job is given up here. So is a message that cannot be read.

mod unreadable;

use std::sync::Arc;

use postrider_domain::job::STALLED;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{
    DeadLetterId, Delivery, DeliveryId, DeliveryStatus, EndpointId, Event, Outcome, TenantId, Timestamp,
};

use crate::messages::{
    ChannelMessage, DeliverMessage, EventsMessage, FanOutMessage, GivenUpMessage, JobMessage, MessageError,
};
use crate::ports::queue::failure;
use crate::ports::{Clock, QueueRecord, TableError};
use crate::stores::dead_letters::{DeadLetter, DeadLetterState};
use crate::stores::deliveries::Saved;
use crate::stores::jobs::SavedJob;
use crate::stores::{DeadLetters, Deliveries, Jobs, Tenants, Unreadable};

/// Why a poisoned message was given up, in plain words.
const POISONED: &str =
    "given up after its message was handed out too often without success; the logs tell why";

/// The same of a job.
const STUCK: &str = "the message that moves it was handed out too often without success; the logs tell why. It goes on from \
    where it stands when it is resumed";

/// A message could not be dealt with; it stays in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The message cannot be read, which is recorded.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The delivery changed at the same time.
    #[error("the delivery {0} changed at the same time")]
    Changed(DeliveryId),
    /// The job changed at the same time.
    #[error("the job changed at the same time")]
    JobChanged,
}

/// Records dead letters.
pub struct RecordDeadLetter {
    deliveries: Deliveries,
    dead_letters: DeadLetters,
    jobs: Jobs,
    tenants: Tenants,
    unreadable: Unreadable,
    clock: Arc<dyn Clock>,
}

impl RecordDeadLetter {
    /// A recorder over these stores.
    pub fn new(
        deliveries: Deliveries,
        dead_letters: DeadLetters,
        jobs: Jobs,
        tenants: Tenants,
        unreadable: Unreadable,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { deliveries, dead_letters, jobs, tenants, unreadable, clock }
    }

    /// Deals with a batch of a dead-letter queue, whichever it is: messages say what they are. Answers the ids of
    /// the messages that must stay.
    pub async fn handle(&self, records: Vec<QueueRecord>) -> Vec<String> {
        let mut failed = Vec::new();
        for record in records {
            let result = match self.deal_with(&record).await {
                Err(RecordError::Message(error)) => {
                    self.unreadable(&record, &error).await.map_err(RecordError::from)
                }
                result => result,
            };
            failed.extend(failure(&record, result));
        }
        failed
    }

    async fn deal_with(&self, record: &QueueRecord) -> Result<(), RecordError> {
        if let Ok(message) = record.body.events() {
            return match message {
                EventsMessage::FanOut(message) => self.unmatched(&message).await,
                // The reconciliation finds what is still parked, or waits in a line that ended, and moves it.
                EventsMessage::Release(_) => Ok(()),
                // What was to be cancelled stays parked, as kept, until a person says once more what becomes of it. Sent
                // again it could come back for ever, and long after they want something else.
                EventsMessage::Skip(_) => Ok(()),
                EventsMessage::Job(message) => self.stuck(&message).await,
            };
        }
        match record.body.channel()? {
            ChannelMessage::GivenUp(GivenUpMessage { tenant, delivery, reason, .. }) => {
                self.given_up(&tenant, delivery, reason).await
            }
            ChannelMessage::Deliver(message) => self.poisoned(&message).await,
        }
    }

    async fn given_up(
        &self,
        tenant: &TenantId,
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

    async fn poisoned(&self, message: &DeliverMessage) -> Result<(), RecordError> {
        let (tenant, endpoint) = (&message.tenant, message.endpoint);
        let (event, _) = message.event.read(tenant)?;
        let id = DeliveryId::derive(event.accepted_at, &event.id, endpoint);
        let Some(mut delivery) = self.deliveries.get(tenant, id).await? else {
            // Somebody asked for a delivery that its first message was to create.
            return if message.renew { self.never_delivered(event, Some(endpoint)).await } else { Ok(()) };
        };
        // A later attempt is at work, or was: this message was only a leftover.
        if delivery.attempt_count >= message.attempt {
            return self.record_if_failed(&delivery).await;
        }
        if delivery.status == DeliveryStatus::Failed {
            self.record_if_failed(&delivery).await?;
            // Given up before, and to be made again by request: that, too, has come to nothing now.
            if !message.renew || !self.is_redriven(&delivery).await? {
                return Ok(());
            }
        } else if !delivery.status.is_waiting() && !message.renew {
            return Ok(());
        }
        delivery.fail(FailureReason::Poisoned, self.clock.now());
        delivery.error = Some(POISONED.to_owned());
        match self.deliveries.save(&delivery).await? {
            Saved::Yes => self.record(&delivery, FailureReason::Poisoned).await,
            Saved::Changed(_) => Err(RecordError::Changed(id)),
        }
    }

    /// A delivery that is given up gets its dead letter, should its own word of that be late.
    async fn record_if_failed(&self, delivery: &Delivery) -> Result<(), RecordError> {
        if delivery.status != DeliveryStatus::Failed {
            return Ok(());
        }
        let last = delivery.attempts.last().map(|attempt| attempt.outcome);
        let reason = match last {
            _ if delivery.error.as_deref() == Some(POISONED) => FailureReason::Poisoned,
            Some(Outcome::Gone) => FailureReason::Gone,
            Some(Outcome::Rejected) => FailureReason::Rejected,
            _ => FailureReason::Exhausted,
        };
        self.record(delivery, reason).await
    }

    /// Whether somebody redrove the dead letter that a delivery is.
    async fn is_redriven(&self, delivery: &Delivery) -> Result<bool, RecordError> {
        let Some(id) = delivery.dead_letter else { return Ok(false) };
        let letter = self.dead_letters.get(&delivery.tenant, id).await?;
        Ok(letter.is_some_and(|letter| letter.state == DeadLetterState::Redriven))
    }

    /// A job whose message was handed out too often waits for somebody to resume it.
    async fn stuck(&self, message: &JobMessage) -> Result<(), RecordError> {
        let Some(mut job) = self.jobs.get(&message.tenant, message.job).await? else { return Ok(()) };
        let now = self.clock.now();
        let is_next = job.portion == message.portion || now.since(job.not_before) >= STALLED;
        if !job.state.is_open() || !is_next {
            return Ok(());
        }
        job.fail(STUCK, now);
        match self.jobs.save(&job).await? {
            SavedJob::Yes => Ok(()),
            SavedJob::Changed(_) => Err(RecordError::JobChanged),
        }
    }

    async fn record(&self, delivery: &Delivery, reason: FailureReason) -> Result<(), RecordError> {
        let Some(id) = delivery.dead_letter else { return Ok(()) };
        let letter = DeadLetter {
            id,
            tenant: delivery.tenant.clone(),
            state: DeadLetterState::Pending,
            reason,
            event_id: Some(delivery.event_id.clone()),
            event_type: Some(delivery.event_type.clone()),
            delivery: Some(delivery.id),
            error: delivery.error.clone(),
            attempt_count: delivery.attempt_count,
            message: None,
            created_at: Timestamp::from_millis(id.ulid().timestamp_ms()),
            handled: None,
            version: 1,
        };
        Ok(self.dead_letters.create(&letter).await?)
    }

    async fn unmatched(&self, message: &FanOutMessage) -> Result<(), RecordError> {
        let (event, _) = message.event.read(&message.tenant)?;
        self.never_delivered(event, None).await
    }

    /// Of an event there is no delivery, or none for an endpoint: it was not matched, or the delivery not begun.
    async fn never_delivered(&self, event: Event, endpoint: Option<EndpointId>) -> Result<(), RecordError> {
        let (subject, error) = match endpoint {
            None => (event.id.to_string(), POISONED.to_owned()),
            Some(endpoint) => {
                (format!("{}/{endpoint}", event.id), format!("the delivery to {endpoint} was {POISONED}"))
            }
        };
        let letter = DeadLetter {
            // The same on every repetition, as the time of acceptance is.
            id: DeadLetterId::derive(event.accepted_at, &subject),
            tenant: event.tenant,
            state: DeadLetterState::Pending,
            reason: FailureReason::Poisoned,
            event_id: Some(event.id),
            event_type: Some(event.event_type),
            delivery: None,
            error: Some(error),
            attempt_count: 0,
            message: None,
            created_at: self.clock.now(),
            handled: None,
            version: 1,
        };
        Ok(self.dead_letters.create(&letter).await?)
    }
}
