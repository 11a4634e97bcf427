//! Cancelling an event before it is delivered.

use std::sync::Arc;

use postrider_domain::{EventId, TenantId};

use crate::ports::{Clock, TableError};
use crate::stores::Events;
use crate::stores::events::{EventSchedule, SavedEvent, ScheduleState, StoredEvent};

/// How often a change is tried again when others change the event at the same time.
const TRIES: usize = 5;

/// An event was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no such event.
    #[error("there is no event {0}")]
    Unknown(EventId),
    /// Its moment has come, or it never had one of its own.
    #[error(
        "the event {0} is being delivered, or was; only one whose deliver_at is yet to come can be cancelled"
    )]
    TooLate(EventId),
    /// Others kept changing it.
    #[error("the event {0} kept changing; try again")]
    Contended(EventId),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Cancels events.
#[derive(Clone)]
pub struct CancelEvent {
    events: Events,
    clock: Arc<dyn Clock>,
}

impl CancelEvent {
    /// Cancels events in this store.
    pub fn new(events: Events, clock: Arc<dyn Clock>) -> Self {
        Self { events, clock }
    }

    /// Cancels an event whose moment is yet to come. Doing so again changes nothing.
    ///
    /// # Errors
    /// When there is no such event, it is too late, or the table fails.
    pub async fn cancel(&self, tenant: &TenantId, id: &EventId) -> Result<StoredEvent, CancelError> {
        for _ in 0..TRIES {
            let stored = self.events.get(tenant, id).await?;
            let mut stored = stored.ok_or_else(|| CancelError::Unknown(id.clone()))?;
            let too_late = || CancelError::TooLate(id.clone());
            let schedule = stored.schedule.ok_or_else(too_late)?;
            if schedule.state == ScheduleState::Cancelled {
                return Ok(stored);
            }
            if schedule.state == ScheduleState::Begun || stored.event.begins_at() <= self.clock.now() {
                return Err(too_late());
            }
            let cancelled = EventSchedule { state: ScheduleState::Cancelled, due_at: None, ..schedule };
            stored.schedule = Some(cancelled);
            if let SavedEvent::Yes = self.events.save(&stored).await? {
                return Ok(stored);
            }
        }
        Err(CancelError::Contended(id.clone()))
    }
}
