//! Sending again what must have been lost. Whoever gets it finds in the ledger what was done already.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::{Delivery, EndpointId, TenantId};

use super::{Reconcile, ReconcileError};
use crate::messages::{Body, ReleaseMessage};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueName};
use crate::redeliver::message_for;
use crate::stores::events::{ScheduleState, StoredEvent};

/// How many events are looked up at the same time.
const PARALLEL: usize = 16;

/// How many messages are made before they are sent.
const SENT_TOGETHER: usize = 100;

impl Reconcile {
    /// Sends events to fan-out again. Answers how many.
    pub(super) async fn match_again(
        &self,
        tenant: &TenantId,
        events: &[&StoredEvent],
    ) -> Result<u64, ReconcileError> {
        let mut messages = Vec::new();
        for stored in events {
            let message = stored.fan_out();
            // One that has not begun is for the endpoints that there are when it does.
            let is_to_begin =
                stored.schedule.is_some_and(|schedule| schedule.state == ScheduleState::Waiting);
            let message = if is_to_begin { message } else { message.repeated() };
            messages.push(outgoing(tenant, message));
        }
        send_all(&*self.queue, QueueName::Events, messages).await?;
        Ok(events.len() as u64)
    }

    /// Sends the messages of deliveries again. Answers how many.
    pub(super) async fn send_again(&self, deliveries: &[Delivery]) -> Result<u64, ReconcileError> {
        let mut sent = 0;
        for portion in deliveries.chunks(SENT_TOGETHER) {
            sent += self.send_portion(portion.to_vec()).await?;
        }
        Ok(sent)
    }

    /// Has the parked deliveries of endpoints released, as if their circuits had closed. Answers of how many.
    pub(super) async fn release_again(
        &self,
        tenant: &TenantId,
        endpoints: &[EndpointId],
    ) -> Result<u64, ReconcileError> {
        let release = |id: &EndpointId| ReleaseMessage::of_circuit(tenant, *id, false);
        let messages = endpoints.iter().map(|id| outgoing(tenant, release(id)));
        send_all(&*self.queue, QueueName::Events, messages.collect()).await?;
        Ok(endpoints.len() as u64)
    }

    async fn send_portion(&self, deliveries: Vec<Delivery>) -> Result<u64, ReconcileError> {
        let messages: Vec<_> = stream::iter(deliveries)
            .map(|delivery| async move {
                let message = message_for(&self.events, &delivery, 0).await?;
                Ok::<_, ReconcileError>((delivery, message))
            })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        let mut queues: HashMap<QueueName, Vec<OutgoingMessage>> = HashMap::new();
        let mut sent = 0;
        for (mut delivery, message) in messages {
            let Some(message) = message else {
                delivery.cancel("its event is not kept any more, so there is nothing to send");
                self.deliveries.save(&delivery).await?;
                continue;
            };
            let queue = QueueName::of(delivery.channel, message.event.lane());
            queues.entry(queue).or_default().push(outgoing(&delivery.tenant, message.rechecked()));
            sent += 1;
        }
        for (queue, messages) in queues {
            send_all(&*self.queue, queue, messages).await?;
        }
        Ok(sent)
    }
}

fn outgoing(tenant: &TenantId, body: impl Into<Body>) -> OutgoingMessage {
    OutgoingMessage::of(tenant, body, Duration::ZERO)
}
