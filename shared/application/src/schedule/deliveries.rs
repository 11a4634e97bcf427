//! Deliveries whose next attempt is long after the one before.

use std::time::Duration;

use postrider_domain::Delivery;

use super::{LEASE, Schedule, ScheduleError};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueName};
use crate::redeliver::message_for;
use crate::stores::deliveries::Saved;

impl Schedule {
    /// Sends a delivery's message. Answers whether it was this run that did.
    pub(super) async fn hand_over_delivery(
        &self,
        mut delivery: Delivery,
        wait: Duration,
    ) -> Result<bool, ScheduleError> {
        delivery.due_at = Some(self.clock.now().after(LEASE));
        let Saved::Yes = self.deliveries.save(&delivery).await? else { return Ok(false) };
        delivery.version += 1;
        if let Some(message) = message_for(&self.events, &delivery, 0).await? {
            let message =
                message.attempt_at(delivery.attempt_count + 1, delivery.next_attempt_at).rechecked();
            let queue = QueueName::of(delivery.channel, message.event.lane());
            let message = OutgoingMessage::of(&delivery.tenant, message, wait);
            send_all(&*self.queue, queue, vec![message]).await?;
        } else {
            delivery.cancel("its event is not kept any more, so there is nothing to send");
        }
        delivery.due_at = None;
        // A worker that was faster has recorded its attempt already, and with it that nothing is due.
        self.deliveries.save(&delivery).await?;
        Ok(true)
    }
}
