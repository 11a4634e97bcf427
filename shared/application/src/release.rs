//! Letting parked deliveries go on, the oldest first.
//!
//! A message is sent for each; the worker that gets it finds the delivery parked and its endpoint active, and
//! attempts it. Nothing is marked before, so a crash anywhere only sends some messages twice, which the
//! ledger sorts out.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::{EndpointStatus, Lane, TenantId};

use crate::messages::{ChannelMessage, EventsMessage, MessageError, ReleaseMessage};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::redeliver::message_for;
use crate::stores::{Deliveries, Endpoints, Events};

/// How many deliveries one message releases before it hands on to the next.
const CHUNK: usize = 100;

/// A message could not be dealt with; it comes again.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The message cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Releases parked deliveries.
#[derive(Clone)]
pub struct Release {
    endpoints: Endpoints,
    deliveries: Deliveries,
    events: Events,
    queue: Arc<dyn Queue>,
}

impl Release {
    /// A release over these stores.
    pub fn new(endpoints: Endpoints, deliveries: Deliveries, events: Events, queue: Arc<dyn Queue>) -> Self {
        Self { endpoints, deliveries, events, queue }
    }

    pub(crate) const fn events(&self) -> &Events {
        &self.events
    }

    /// Deals with one message: a portion, and the message for the next one.
    ///
    /// # Errors
    /// When a store or a queue fails.
    pub async fn handle(&self, message: &ReleaseMessage) -> Result<(), ReleaseError> {
        let (tenant, id) = message.read()?;
        let record = self.endpoints.get(&tenant, id).await?;
        let Some(endpoint) =
            record.map(|record| record.endpoint).filter(|e| e.status == EndpointStatus::Active)
        else {
            return Ok(());
        };
        let parked = self.deliveries.parked(&tenant, id, message.after()?, CHUNK).await?;
        let last = parked.last().map(|delivery| delivery.id);
        let goes_on = parked.len() == CHUNK;
        let messages: Vec<_> = stream::iter(parked)
            .map(|delivery| async move { message_for(&self.events, &delivery, endpoint.version).await })
            .buffered(16)
            .try_collect()
            .await?;
        // A delivery whose event has expired stays parked until it expires itself.
        for lane in [Lane::Express, Lane::Standard] {
            let own = messages.iter().flatten().filter(|message| message.event.lane() == lane);
            let written =
                own.map(|message| ChannelMessage::Deliver(Box::new(message.clone().rechecked())).write());
            let outgoing = written.map(|body| outgoing(&tenant, body)).collect();
            send_all(&*self.queue, QueueName::of(endpoint.channel, lane), outgoing).await?;
        }
        if goes_on {
            let next = EventsMessage::Release(ReleaseMessage::new(&tenant, id, last)).write();
            send_all(&*self.queue, QueueName::Events, vec![outgoing(&tenant, next)]).await?;
        }
        Ok(())
    }
}

fn outgoing(tenant: &TenantId, body: String) -> OutgoingMessage {
    OutgoingMessage { body, delay: Duration::ZERO, group: tenant.to_string() }
}
