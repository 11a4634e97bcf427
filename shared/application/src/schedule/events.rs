//! Events that were published long before they are to be delivered.

use std::time::Duration;

use super::{LEASE, Schedule, ScheduleError};
use crate::ports::queue::send_all;
use crate::ports::{OutgoingMessage, QueueName};
use crate::stores::events::{EventSchedule, SavedEvent, StoredEvent};

impl Schedule {
    /// Sends an event's message. Answers whether it was this run that did.
    pub(super) async fn hand_over_event(
        &self,
        mut stored: StoredEvent,
        wait: Duration,
    ) -> Result<bool, ScheduleError> {
        let Some(schedule) = stored.schedule else { return Ok(false) };
        let put_off = Some(self.clock.now().after(LEASE));
        stored.schedule = Some(EventSchedule { due_at: put_off, ..schedule });
        let SavedEvent::Yes = self.events.save(&stored).await? else { return Ok(false) };
        let tenant = &stored.event.tenant;
        let message = stored.fan_out();
        let message = OutgoingMessage::of(tenant, message, wait);
        send_all(&*self.queue, QueueName::Events, vec![message]).await?;
        let version = schedule.version + 1;
        stored.schedule = Some(EventSchedule { due_at: None, version, ..schedule });
        // Somebody who cancelled it meanwhile, or a fan-out that was faster, has taken it out of the index.
        self.events.save(&stored).await?;
        Ok(true)
    }
}
