//! Delivering again by request: one delivery, or dead letters.
//!
//! The message goes first, because it is what makes the attempt happen; what the ledger shows follows. A
//! worker that is faster than the marking finds the request in the message itself.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{DeadLetterId, Delivery, DeliveryId, DeliveryStatus, TenantId, Timestamp};

use crate::messages::{
    ChannelMessage, DeliverMessage, EventsMessage, FanOutMessage, MessageError, WireEvent,
};
use crate::ports::queue::send_all;
use crate::ports::{Clock, OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::stores::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterState};
use crate::stores::{DeadLetters, Deliveries, Endpoints, Events, PageRequest};

/// How many dead letters one request redrives at most.
pub const MAX_REDRIVE: usize = 100;

/// A delivery could not be made again.
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
    /// The event is not there any more.
    #[error("the event is not kept any more, so there is nothing to send")]
    EventExpired,
    /// The stored event cannot be written into a message.
    #[error(transparent)]
    Message(#[from] MessageError),
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
) -> Result<Option<DeliverMessage>, MessageErrorOrTable> {
    let Some(stored) = events.get(&delivery.tenant, &delivery.event_id).await? else { return Ok(None) };
    let wire = WireEvent::new(&stored.event, &stored.payload)?;
    let first = DeliverMessage::first(
        &delivery.tenant,
        delivery.endpoint(),
        endpoint_version,
        delivery.created_at,
        wire,
    );
    Ok(Some(first.attempt_at(delivery.attempt_count + 1, None)))
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageErrorOrTable {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<MessageErrorOrTable> for RedeliverError {
    fn from(error: MessageErrorOrTable) -> Self {
        match error {
            MessageErrorOrTable::Message(error) => Self::Message(error),
            MessageErrorOrTable::Table(error) => Self::Table(error),
        }
    }
}

impl From<MessageErrorOrTable> for crate::release::ReleaseError {
    fn from(error: MessageErrorOrTable) -> Self {
        match error {
            MessageErrorOrTable::Message(error) => Self::Message(error),
            MessageErrorOrTable::Table(error) => Self::Table(error),
        }
    }
}

/// Which dead letters to redrive.
#[derive(Debug, Clone)]
pub enum Selection {
    /// These.
    Ids(Vec<DeadLetterId>),
    /// The latest pending ones of an endpoint, or of all, up to a number.
    Pending {
        /// Only this endpoint's.
        endpoint: Option<postrider_domain::EndpointId>,
        /// How many at most.
        limit: usize,
    },
}

/// What a redrive came to.
#[derive(Debug)]
pub struct Redriven {
    /// Each dead letter, and why it was not redriven if it was not.
    pub letters: Vec<(DeadLetterId, Result<(), RedeliverError>)>,
}

/// Delivers again.
#[derive(Clone)]
pub struct Redeliver {
    endpoints: Endpoints,
    deliveries: Deliveries,
    events: Events,
    dead_letters: DeadLetters,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
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
        let dead_letter = delivery.dead_letter.filter(|_| delivery.status == DeliveryStatus::Failed);
        let restarted = self.send_again(delivery).await?;
        if let Some(letter) = dead_letter {
            // The dead letter may not be on record yet: then it will be, and can be redriven once more.
            if let Some(letter) = self.dead_letters.get(tenant, letter).await? {
                self.mark(letter, by, None).await?;
            }
        }
        Ok(restarted)
    }

    async fn send_again(&self, mut delivery: Delivery) -> Result<Delivery, RedeliverError> {
        let endpoint = self.endpoints.get(&delivery.tenant, delivery.endpoint()).await?;
        let endpoint = endpoint.ok_or(RedeliverError::EndpointDeleted)?.endpoint;
        let message = message_for(&self.events, &delivery, endpoint.version).await?;
        let message = message.ok_or(RedeliverError::EventExpired)?.rechecked().renewed();
        let queue = QueueName::of(delivery.channel, message.event.lane());
        let body = ChannelMessage::Deliver(Box::new(message)).write();
        let message = OutgoingMessage { body, delay: Duration::ZERO, group: delivery.tenant.to_string() };
        send_all(&*self.queue, queue, vec![message]).await?;
        delivery.restart(self.clock.now());
        delivery.max_attempts = endpoint.retry.max_attempts;
        // A worker that was faster has recorded its attempt already, which is worth more than this mark.
        self.deliveries.save(&delivery).await?;
        Ok(delivery)
    }

    /// Redrives dead letters.
    ///
    /// # Errors
    /// When the dead letters cannot be listed. A failure with one of them is in the result.
    pub async fn redrive(
        &self,
        tenant: &TenantId,
        selection: Selection,
        by: &str,
        note: Option<&str>,
    ) -> Result<Redriven, TableError> {
        let ids = match selection {
            Selection::Ids(ids) => ids,
            Selection::Pending { endpoint, limit } => {
                let filter = DeadLetterFilter { state: Some(DeadLetterState::Pending), endpoint };
                let page = PageRequest { limit: limit.min(MAX_REDRIVE), after: None };
                self.dead_letters.list(tenant, &filter, page).await?.items.into_iter().map(|l| l.id).collect()
            }
        };
        let mut letters = Vec::with_capacity(ids.len());
        for id in ids {
            letters.push((id, self.redrive_one(tenant, id, by, note).await));
        }
        Ok(Redriven { letters })
    }

    async fn redrive_one(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        by: &str,
        note: Option<&str>,
    ) -> Result<(), RedeliverError> {
        let letter = self.dead_letters.get(tenant, id).await?.ok_or(RedeliverError::UnknownDeadLetter(id))?;
        if letter.state == DeadLetterState::Redriven {
            return Ok(());
        }
        match letter.delivery {
            None => self.match_again(&letter).await?,
            Some(delivery) => {
                let delivery = self
                    .deliveries
                    .get(tenant, delivery)
                    .await?
                    .ok_or(RedeliverError::UnknownDelivery(delivery))?;
                // What was delivered since, or is on its way, is not sent once more; nor is what was given up
                // again since, which another dead letter stands for.
                if delivery.status == DeliveryStatus::Failed && delivery.dead_letter == Some(letter.id) {
                    self.send_again(delivery).await?;
                }
            }
        }
        self.mark(letter, by, note).await
    }

    /// An event that could not be matched goes through fan-out again.
    async fn match_again(&self, letter: &DeadLetter) -> Result<(), RedeliverError> {
        let stored = self.events.get(&letter.tenant, &letter.event_id).await?;
        let stored = stored.ok_or(RedeliverError::EventExpired)?;
        let wire = WireEvent::new(&stored.event, &stored.payload)?;
        let body = EventsMessage::FanOut(Box::new(FanOutMessage::new(&letter.tenant, wire))).write();
        let message = OutgoingMessage { body, delay: Duration::ZERO, group: letter.tenant.to_string() };
        Ok(send_all(&*self.queue, QueueName::Events, vec![message]).await?)
    }

    async fn mark(&self, mut letter: DeadLetter, by: &str, note: Option<&str>) -> Result<(), RedeliverError> {
        letter.state = DeadLetterState::Redriven;
        letter.handled = Some((self.now(), by.to_owned()));
        letter.note = note.map(str::to_owned);
        // Somebody else who marked it meanwhile did the same.
        self.dead_letters.save(&letter).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
