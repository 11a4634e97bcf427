//! What an attempt came to: put on record, and what follows from that. The record comes first, on the condition that
//! nobody else wrote; whoever dies in between leaves something that tells the next one what to send.

use std::time::Duration;

use postrider_domain::outcome::FailureReason;
use postrider_domain::{Attempt, Delivery, DeliveryStatus, Endpoint, Outcome, Timestamp, Verdict};

use super::{Deliver, DeliverError, Job, SAVE_TRIES};
use crate::messages::{DeliverMessage, GivenUpMessage};
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{OutgoingMessage, QueueName};
use crate::stores::deliveries::Saved;

impl Deliver {
    /// Puts an attempt on record. Answers the delivery then, or `None` when another worker has recorded this
    /// attempt.
    pub(super) async fn record(
        &self,
        mut delivery: Box<Delivery>,
        mut attempt: Attempt,
        verdict: Verdict,
        gives_way_at: Option<Timestamp>,
    ) -> Result<Option<Box<Delivery>>, DeliverError> {
        for _ in 0..SAVE_TRIES {
            let number = attempt.number;
            if delivery.record(attempt, verdict).is_err() {
                tracing::warn!(delivery.id = %delivery.id, attempt.number = number, "the attempt was made twice");
                return Ok(None);
            }
            if let Verdict::Retry { at } = verdict {
                // What no queue can hold for as long waits in the ledger, where the schedule finds it.
                delivery.due_at = (at.since(self.clock.now()) > MAX_DELAY).then_some(at);
                if gives_way_at.is_some_and(|gives_way_at| at > gives_way_at) {
                    delivery.give_way(self.clock.now());
                }
            }
            match self.deliveries.save(&delivery).await? {
                Saved::Yes => return Ok(Some(delivery)),
                Saved::Changed(current) => {
                    let unsaved = delivery.attempts.pop();
                    let (Some(current), Some(unsaved)) = (current, unsaved) else { return Ok(None) };
                    (delivery, attempt) = (current, unsaved);
                }
            }
        }
        Err(DeliverError::Contended(delivery.id))
    }

    /// Saves a delivery that is not attempted now. If somebody changed it in between, that holds.
    pub(super) async fn set_aside(&self, delivery: &Delivery) -> Result<(), DeliverError> {
        self.deliveries.save(delivery).await?;
        Ok(())
    }

    /// Parks a delivery. What lets parked ones go on may have gone past it before it was: so it looks once more,
    /// and sends its own message if it could pass.
    pub(super) async fn park(
        &self,
        job: &Job,
        mut delivery: Box<Delivery>,
        endpoint: &Endpoint,
        why: String,
    ) -> Result<Box<Delivery>, DeliverError> {
        delivery.park(why, self.clock.now());
        self.set_aside(&delivery).await?;
        if let Some(version) = self.gate.passes_after_all(endpoint).await? {
            let next_attempt = delivery.attempt_count + 1;
            let mut message = job.message.clone().attempt_at(next_attempt, None).rechecked();
            message.endpoint_version = version;
            self.send(job, message, Duration::ZERO).await?;
        }
        Ok(delivery)
    }

    pub(super) async fn follow_up(
        &self,
        job: &Job,
        delivery: &Delivery,
        verdict: Verdict,
    ) -> Result<(), DeliverError> {
        match verdict {
            Verdict::Delivered => Ok(()),
            // What is done about it is done by the schedule, or by a person.
            Verdict::Retry { .. } if delivery.next_attempt_at.is_none() || delivery.due_at.is_some() => {
                Ok(())
            }
            Verdict::Retry { at } => {
                let next = job.message.clone().attempt_at(delivery.attempt_count + 1, Some(at));
                self.send(job, next, at.since(self.clock.now())).await
            }
            Verdict::Failed(reason) => Box::pin(self.give_up(delivery, reason)).await,
        }
    }

    /// What follows from an attempt on record, for a worker that cannot know whether it was done.
    pub(super) async fn follow_up_again(&self, job: &Job, delivery: &Delivery) -> Result<(), DeliverError> {
        match (delivery.status, delivery.next_attempt_at) {
            (DeliveryStatus::Retrying, Some(at)) if delivery.due_at.is_none() => {
                let next = job.message.clone().attempt_at(delivery.attempt_count + 1, Some(at)).rechecked();
                self.send(job, next, at.since(self.clock.now())).await
            }
            (DeliveryStatus::Failed, _) => self.give_up(delivery, failure_of(delivery)).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn give_up(
        &self,
        delivery: &Delivery,
        reason: FailureReason,
    ) -> Result<(), DeliverError> {
        if reason == FailureReason::Gone {
            let why = "the receiver answered 410 Gone";
            self.change_status.disable(&delivery.tenant, delivery.endpoint(), why).await?;
            self.endpoints.forget(&delivery.tenant, delivery.endpoint());
        }
        let message = GivenUpMessage::new(&delivery.tenant, delivery.id, reason);
        let message = OutgoingMessage::of(&delivery.tenant, message, Duration::ZERO);
        Ok(send_all(&*self.queue, QueueName::ChannelDead(delivery.channel), vec![message]).await?)
    }

    /// Sends a message of this delivery's, as far into the future as the queue can hold it.
    pub(super) async fn send(
        &self,
        job: &Job,
        message: DeliverMessage,
        wait: Duration,
    ) -> Result<(), DeliverError> {
        let message = OutgoingMessage::of(&job.event.tenant, message, wait.min(MAX_DELAY));
        let queue = QueueName::of(self.endpoints.channel(), job.event.priority.lane());
        Ok(Box::pin(send_all(&*self.queue, queue, vec![message])).await?)
    }
}

/// Why a delivery has failed.
pub(super) fn failure_of(delivery: &Delivery) -> FailureReason {
    match delivery.attempts.last().map(|attempt| attempt.outcome) {
        Some(Outcome::Gone) => FailureReason::Gone,
        Some(Outcome::Rejected) => FailureReason::Rejected,
        _ => FailureReason::Exhausted,
    }
}
