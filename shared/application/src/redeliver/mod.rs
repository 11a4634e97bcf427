//! Delivering again by request: one delivery, also to another endpoint, or dead letters; and calling a delivery off.
//! What is asked for many at once is a job, see [`crate::jobs`].
//!
//! The message goes first, because it is what makes the attempt happen; what the ledger shows follows. A
//! worker that is faster than the marking finds the request in the message itself.

mod dead_letters;

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{
    DeadLetterId, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, TenantId, Timestamp,
};

pub use self::dead_letters::Settlement;

use crate::messages::{DeliverMessage, WireEvent};
use crate::ports::queue::send_all;
use crate::ports::{Clock, OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::stores::dead_letters::{DeadLetterState, Handling};
use crate::stores::deliveries::Saved;
use crate::stores::events::StoredEvent;
use crate::stores::{DeadLetters, Deliveries, Endpoints, Events};

/// How often a change is tried again when others change the same thing.
const TRIES: usize = 5;

/// In how much time a line is looked at from which a delivery is taken: by then it is.
const WAKE_LINE: Duration = Duration::from_secs(2);

/// A delivery could not be made again, or not be called off.
#[derive(Debug, thiserror::Error)]
pub enum RedeliverError {
    /// There is no such delivery.
    #[error("there is no delivery {0}")]
    UnknownDelivery(DeliveryId),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    UnknownDeadLetter(DeadLetterId),
    /// The endpoint was deleted.
    #[error("the delivery's endpoint was deleted")]
    EndpointDeleted,
    /// There is no such endpoint to deliver to instead.
    #[error("there is no endpoint {0}")]
    UnknownEndpoint(EndpointId),
    /// Somebody dealt with the dead letter.
    #[error("the dead letter is {0} already")]
    Handled(DeadLetterState),
    /// The message cannot be read, so nobody knows what to deliver.
    #[error("the message cannot be read, so there is nothing to send; resolve or discard the dead letter")]
    Unreadable,
    /// There is no attempt to come.
    #[error("the delivery is {0}; only one that is pending, retrying or parked can be cancelled")]
    NotCancellable(DeliveryStatus),
    /// It kept changing.
    #[error("it was changed by others at the same time; try again")]
    Contended,
    /// The event is not there any more.
    #[error("the event is not kept any more, so there is nothing to send")]
    EventExpired,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The message for a delivery's next attempt; `None` when its event is not kept any more.
pub(crate) async fn message_for(
    events: &Events,
    delivery: &Delivery,
    endpoint_version: u64,
) -> Result<Option<DeliverMessage>, TableError> {
    let Some(stored) = events.get(&delivery.tenant, &delivery.event_id).await? else { return Ok(None) };
    let (tenant, endpoint) = (&delivery.tenant, delivery.endpoint());
    let wire = WireEvent::new(&stored.event, &stored.payload);
    let first = DeliverMessage::first(tenant, endpoint, endpoint_version, delivery.created_at, wire);
    Ok(Some(first.attempt_at(delivery.attempt_count + 1, None)))
}

/// The message for an attempt that somebody asks for, of an event to an endpoint that may have a delivery of it.
pub(crate) fn message_to(
    stored: &StoredEvent,
    endpoint: &Endpoint,
    existing: Option<&Delivery>,
    now: Timestamp,
) -> DeliverMessage {
    let wire = WireEvent::new(&stored.event, &stored.payload);
    let created_at = existing.map_or(now, |delivery| delivery.created_at);
    let first = DeliverMessage::first(&endpoint.tenant, endpoint.id, endpoint.version, created_at, wire);
    let number = existing.map_or(1, |delivery| delivery.attempt_count + 1);
    first.attempt_at(number, None).rechecked()
}

/// Delivers again.
#[derive(Clone)]
pub struct Redeliver {
    pub(crate) endpoints: Endpoints,
    pub(crate) deliveries: Deliveries,
    pub(crate) events: Events,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Redeliver {
    /// A redelivery over these stores.
    pub fn new(
        endpoints: Endpoints,
        deliveries: Deliveries,
        events: Events,
        dead_letters: DeadLetters,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { endpoints, deliveries, events, dead_letters, queue, clock }
    }

    /// Attempts a delivery again, whatever became of it, with a new budget of attempts. Answers the delivery
    /// as it is then.
    ///
    /// # Errors
    /// When there is no such delivery, nothing to send, or a store fails.
    pub async fn retry(
        &self,
        tenant: &TenantId,
        id: DeliveryId,
        by: &str,
    ) -> Result<Delivery, RedeliverError> {
        let delivery = self.deliveries.get(tenant, id).await?.ok_or(RedeliverError::UnknownDelivery(id))?;
        let endpoint = self.endpoints.get(tenant, delivery.endpoint()).await?;
        let endpoint = endpoint.ok_or(RedeliverError::EndpointDeleted)?.endpoint;
        let stored = self.events.get(tenant, &delivery.event_id).await?;
        self.renew(&stored.ok_or(RedeliverError::EventExpired)?, &endpoint, delivery, by).await
    }

    /// Delivers the event of a delivery to another endpoint of the tenant's. Answers that endpoint's delivery.
    ///
    /// # Errors
    /// When there is no such delivery or endpoint, nothing to send, or a store fails.
    pub async fn retry_to(
        &self,
        tenant: &TenantId,
        id: DeliveryId,
        to: EndpointId,
        by: &str,
    ) -> Result<Delivery, RedeliverError> {
        if id.endpoint() == to {
            return self.retry(tenant, id, by).await;
        }
        let delivery = self.deliveries.get(tenant, id).await?.ok_or(RedeliverError::UnknownDelivery(id))?;
        let endpoint = self.endpoints.get(tenant, to).await?;
        let endpoint = endpoint.ok_or(RedeliverError::UnknownEndpoint(to))?.endpoint;
        let stored = self.events.get(tenant, &delivery.event_id).await?;
        let stored = stored.ok_or(RedeliverError::EventExpired)?;
        let event = &stored.event;
        let other = DeliveryId::derive(event.accepted_at, &event.id, to);
        if let Some(existing) = self.deliveries.get(tenant, other).await? {
            return self.renew(&stored, &endpoint, existing, by).await;
        }
        let now = self.clock.now();
        let delivery = Delivery::new(event, to, endpoint.channel, endpoint.retry.max_attempts, now);
        self.send(&endpoint, message_to(&stored, &endpoint, None, now).renewed(None, now)).await?;
        // A worker that was faster has created it already.
        self.deliveries.create(&delivery).await?;
        Ok(delivery)
    }

    /// Sends a delivery's next attempt, and shows in the ledger that it, and its dead letter, begin anew.
    async fn renew(
        &self,
        stored: &StoredEvent,
        endpoint: &Endpoint,
        mut delivery: Delivery,
        by: &str,
    ) -> Result<Delivery, RedeliverError> {
        let dead_letter = delivery.dead_letter.filter(|_| delivery.status == DeliveryStatus::Failed);
        self.send_again(stored, endpoint, &mut delivery).await?;
        if let Some(letter) = dead_letter {
            // The dead letter may not be on record yet: then it will be, and can be redriven once more.
            let handling = Handling { at: self.clock.now(), by: by.to_owned(), note: None, job: None };
            self.mark_redriven(&delivery.tenant, letter, handling).await?;
        }
        Ok(delivery)
    }

    /// Has somebody look at the line of an ordered endpoint, in which a delivery that is about to be cancelled may hold
    /// back others.
    async fn wake_line(&self, cancelled: &Delivery) -> Result<(), RedeliverError> {
        let record = self.endpoints.get(&cancelled.tenant, cancelled.endpoint()).await?;
        let Some(endpoint) = record.map(|record| record.endpoint).filter(|e| e.in_order.is_some()) else {
            return Ok(());
        };
        let message = message_for(&self.events, cancelled, endpoint.version).await?;
        let Some(message) = message else { return Ok(()) };
        Ok(self.send_in(&endpoint, message.rechecked(), WAKE_LINE).await?)
    }

    async fn send_again(
        &self,
        stored: &StoredEvent,
        endpoint: &Endpoint,
        delivery: &mut Delivery,
    ) -> Result<(), RedeliverError> {
        let now = self.clock.now();
        let message = message_to(stored, endpoint, Some(delivery), now);
        self.send(endpoint, message.renewed(None, now)).await?;
        delivery.restart(now);
        delivery.max_attempts = endpoint.retry.max_attempts;
        // A worker that was faster has recorded its attempt already, which is worth more than this mark.
        self.deliveries.save(delivery).await?;
        Ok(())
    }

    async fn send(&self, endpoint: &Endpoint, message: DeliverMessage) -> Result<(), QueueError> {
        self.send_in(endpoint, message, Duration::ZERO).await
    }

    async fn send_in(
        &self,
        endpoint: &Endpoint,
        message: DeliverMessage,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let queue = QueueName::of(endpoint.channel, message.event.lane());
        let message = OutgoingMessage::of(&endpoint.tenant, message, delay);
        send_all(&*self.queue, queue, vec![message]).await
    }

    /// Calls off the attempts of a delivery that are to come. One that is under way is not stopped, and if it
    /// succeeds the delivery is delivered.
    ///
    /// # Errors
    /// When there is no such delivery, no attempt to come, or a store fails.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        id: DeliveryId,
        by: &str,
        note: Option<&str>,
    ) -> Result<Delivery, RedeliverError> {
        for _ in 0..TRIES {
            let found = self.deliveries.get(tenant, id).await?;
            let mut delivery = found.ok_or(RedeliverError::UnknownDelivery(id))?;
            if !delivery.status.awaits_attempt() {
                return Err(RedeliverError::NotCancellable(delivery.status));
            }
            delivery.cancel(match note {
                None => format!("cancelled by {by}"),
                Some(note) => format!("cancelled by {by}: {note}"),
            });
            delivery.cancelled_at = Some(self.clock.now());
            self.wake_line(&delivery).await?;
            if let Saved::Yes = self.deliveries.save(&delivery).await? {
                return Ok(delivery);
            }
        }
        Err(RedeliverError::Contended)
    }
}
