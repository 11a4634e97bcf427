//! Letting go what waited in the line of an endpoint that is not ordered any more.

use std::time::Duration;

use postrider_domain::{DeliveryId, EndpointId, InOrder, TenantId, Timestamp};

use super::{Release, ReleaseError, outgoing};
use crate::messages::{Progress, ReleaseMessage};
use crate::ports::QueueName;
use crate::ports::queue::send_all;

impl Release {
    /// Sends the messages of a portion of what waits, and the message for the next one. What has a message already
    /// gets another, which finds in the ledger what there is to do.
    pub(super) async fn end_line(
        &self,
        message: &ReleaseMessage,
        tenant: &TenantId,
        id: EndpointId,
    ) -> Result<(), ReleaseError> {
        let Some(record) = self.endpoints.get(tenant, id).await? else { return Ok(()) };
        let line = self.lines.get(tenant, id, &InOrder::from(Timestamp::default())).await?;
        if line.version == 0 {
            return Ok(());
        }
        let after = message.progress.after.map_or(line.done_to, DeliveryId::event_part);
        let page = self.deliveries.waiting_after(tenant, id, after).await?;
        let waiting = page.deliveries.into_iter().filter(|delivery| delivery.status.is_waiting());
        self.send(&record.endpoint, waiting.collect(), |_| Duration::ZERO).await?;
        let Some(next) = page.next else { return Ok(()) };
        let progress = Progress::after_delivery(DeliveryId::from_parts(next, id));
        let next = outgoing(tenant, message.clone().at(progress), Duration::ZERO);
        Ok(send_all(&*self.queue, QueueName::Events, vec![next]).await?)
    }

    /// Has somebody look at the line of an ordered endpoint from which this delivery was taken.
    pub(super) async fn wake_line(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        taken_out: Option<DeliveryId>,
    ) -> Result<(), ReleaseError> {
        let Some(taken_out) = taken_out else { return Ok(()) };
        let Some(record) = self.endpoints.get(tenant, id).await? else { return Ok(()) };
        let found = self.deliveries.get(tenant, taken_out).await?;
        if let Some(delivery) = found.filter(|_| record.endpoint.in_order.is_some()) {
            self.send(&record.endpoint, vec![delivery], |_| Duration::ZERO).await?;
        }
        Ok(())
    }
}
