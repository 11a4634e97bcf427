//! Everything about an event that is settled before it is made durable.

use std::sync::Arc;

use futures::future::join_all;
use postrider_domain::event::{Audience, MAX_DATA_BYTES};
use postrider_domain::{EndpointId, Event, EventId, FieldProblem, TenantId, Timestamp};

use super::{Accepted, Ingest, IngestError, Publication};
use crate::messages::{FanOutMessage, Payload, WireEvent};
use crate::ports::OutgoingMessage;
use crate::ports::queue::MAX_DELAY;
use crate::stores::events::{EventSchedule, ScheduleState, StoredEvent};

/// An event that is about to be made durable.
pub(super) struct Prepared {
    pub(super) stored: StoredEvent,
    /// The same as it is written, into its item and its message.
    pub(super) wire: Arc<WireEvent>,
    pub(super) generated: bool,
    /// From when on it may be matched.
    pub(super) later: Timestamp,
}

impl Ingest {
    /// Checks an event that is accepted at `now` and may be matched from `later` on, and puts large data where it
    /// belongs.
    pub(super) async fn prepare(
        &self,
        tenant: &TenantId,
        publication: Publication,
        later: Timestamp,
        now: Timestamp,
    ) -> Result<Prepared, IngestError> {
        let size = publication.data.as_str().len();
        if size > MAX_DATA_BYTES {
            return Err(IngestError::TooLarge { size, limit: MAX_DATA_BYTES });
        }
        let generated = publication.event_id.is_none();
        let id = publication.event_id.unwrap_or_else(|| EventId::generated(self.entropy.ulid(now)));
        let event = Event {
            tenant: tenant.clone(),
            id,
            event_type: publication.event_type,
            accepted_at: now,
            occurred_at: publication.occurred_at,
            source: publication.source,
            correlation_id: publication.correlation_id,
            tags: publication.tags,
            audience: publication.audience,
            deliver_at: publication.deliver_at,
            priority: publication.priority,
        };
        event.check().map_err(IngestError::Invalid)?;
        if let Audience::Endpoints(endpoints) = &event.audience {
            self.check_endpoints(tenant, endpoints).await?;
        }
        let digest = event.content_digest(publication.data.as_str());
        let payload = if size <= crate::messages::MAX_INLINE_BYTES {
            Payload::Inline(publication.data)
        } else {
            // Named by content: neither a repetition nor another event under the same id changes it.
            let key = format!("payloads/{tenant}/{}/{}", event.id, digest.as_str());
            self.blobs.put(&key, publication.data.into_bytes()).await?;
            Payload::Stored { key, size: size as u64 }
        };
        let ahead = event.begins_at().since(now);
        let schedule = (!ahead.is_zero()).then(|| EventSchedule {
            state: ScheduleState::Waiting,
            due_at: (ahead > MAX_DELAY).then(|| event.begins_at()),
            version: 1,
        });
        Ok(Prepared::new(StoredEvent { event, payload, digest, schedule }, generated, later))
    }

    async fn check_endpoints(&self, tenant: &TenantId, endpoints: &[EndpointId]) -> Result<(), IngestError> {
        let mut problems = Vec::new();
        let records = join_all(endpoints.iter().map(|id| self.endpoints.get(tenant, *id))).await;
        for (index, (id, record)) in endpoints.iter().zip(records).enumerate() {
            if record?.is_none() {
                problems.push(FieldProblem::new(
                    format!("endpoints[{index}]"),
                    format!("there is no endpoint {id}"),
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(IngestError::Invalid(problems)) }
    }
}

impl Prepared {
    pub(super) fn new(stored: StoredEvent, generated: bool, later: Timestamp) -> Self {
        let wire = Arc::new(WireEvent::new(&stored.event, &stored.payload));
        Self { stored, wire, generated, later }
    }

    pub(super) fn accepted(&self, duplicate: bool) -> Accepted {
        let event = &self.stored.event;
        Accepted { event_id: event.id.clone(), duplicate, accepted_at: event.accepted_at }
    }

    /// The message for an event that is matched from `later` on, or from its own moment; `None` when the schedule
    /// will send it, or nobody.
    pub(super) fn message(&self, repeated: bool, now: Timestamp) -> Option<OutgoingMessage> {
        let StoredEvent { event, schedule, .. } = &self.stored;
        let waits = |schedule: &EventSchedule| {
            schedule.due_at.is_some() || schedule.state == ScheduleState::Cancelled
        };
        if schedule.as_ref().is_some_and(waits) {
            return None;
        }
        let delay = self.later.max(event.begins_at()).since(now).min(MAX_DELAY);
        let message = FanOutMessage::new(&event.tenant, Arc::clone(&self.wire));
        let message = if repeated { message.repeated() } else { message };
        Some(OutgoingMessage::of(&event.tenant, message, delay))
    }
}
