//! Events that are to be delivered later: matched when their moment has come, unless they were cancelled before.
//!
//! Whether such an event is delivered or cancelled is decided in its item, by whoever writes there first.

use postrider_domain::Event;

use super::{FanOut, FanOutError};
use crate::messages::FanOutMessage;
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{OutgoingMessage, QueueName};
use crate::stores::events::{EventSchedule, SavedEvent, ScheduleState};

/// How often the beginning is tried again when others change the event at the same time.
const TRIES: usize = 5;

impl FanOut {
    /// Whether an event that was to be delivered later is to be matched now. One that is early was sent again; one that
    /// was cancelled is over.
    pub(super) async fn begins(&self, message: &FanOutMessage, event: &Event) -> Result<bool, FanOutError> {
        let left = event.begins_at().since(self.clock.now());
        if !left.is_zero() {
            let again = OutgoingMessage::of(&event.tenant, message.clone(), left.min(MAX_DELAY));
            send_all(&*self.queue, QueueName::Events, vec![again]).await?;
            return Ok(false);
        }
        let events = self.release.events();
        for _ in 0..TRIES {
            // Without an item it is like any other event whose publisher was told that it failed.
            let Some(mut stored) = events.get(&event.tenant, &event.id).await? else { return Ok(true) };
            let Some(schedule) = stored.schedule else { return Ok(true) };
            match schedule.state {
                ScheduleState::Begun => return Ok(true),
                ScheduleState::Cancelled => return Ok(false),
                ScheduleState::Waiting => {}
            }
            stored.schedule = Some(EventSchedule { state: ScheduleState::Begun, due_at: None, ..schedule });
            if let SavedEvent::Yes = events.save(&stored).await? {
                return Ok(true);
            }
        }
        Err(FanOutError::Contended(event.id.clone()))
    }
}
