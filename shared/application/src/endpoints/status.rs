//! Turning endpoints on and off.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{EndpointId, EndpointStatus, TenantId};

use super::{EndpointError, TRIES};
use crate::messages::{EventsMessage, ReleaseMessage};
use crate::ports::queue::send_all;
use crate::ports::{Clock, OutgoingMessage, Queue, QueueName, TableError};
use crate::stores::Endpoints;
use crate::stores::endpoint_item::EndpointRecord;

/// Changes whether an endpoint's deliveries are attempted.
#[derive(Clone)]
pub struct ChangeStatus {
    endpoints: Endpoints,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl ChangeStatus {
    /// A change in this store.
    pub fn new(endpoints: Endpoints, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        Self { endpoints, queue, clock }
    }

    /// Sets an endpoint's status on a person's request. When it becomes active, its parked deliveries go on,
    /// also when it was active before: a release that was cut short is made good that way.
    ///
    /// # Errors
    /// When there is no such endpoint or a store fails.
    pub async fn set(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        status: EndpointStatus,
    ) -> Result<EndpointRecord, EndpointError> {
        let record = self.write(tenant, id, status, None).await?;
        if status == EndpointStatus::Active {
            let body = EventsMessage::Release(ReleaseMessage::new(tenant, id, None)).write();
            let message = OutgoingMessage { body, delay: Duration::ZERO, group: tenant.to_string() };
            send_all(&*self.queue, QueueName::Events, vec![message]).await?;
        }
        Ok(record)
    }

    /// Disables an endpoint because of what its receiver answered. An endpoint that is gone stays gone.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn disable(&self, tenant: &TenantId, id: EndpointId, why: &str) -> Result<(), EndpointError> {
        match self.write(tenant, id, EndpointStatus::Disabled, Some(why)).await {
            Ok(_) => {
                tracing::warn!(tenant.id = %tenant, endpoint.id = %id, reason = why, "endpoint disabled");
                Ok(())
            }
            Err(EndpointError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        status: EndpointStatus,
        why: Option<&str>,
    ) -> Result<EndpointRecord, EndpointError> {
        for _ in 0..TRIES {
            let before = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
            if before.endpoint.status == status {
                return Ok(before);
            }
            let mut after = before.clone();
            after.endpoint.status = status;
            after.endpoint.status_reason = why.map(str::to_owned);
            after.endpoint.updated_at = self.clock.now();
            after.endpoint.version += 1;
            match self.endpoints.replace(&before, &after).await {
                Ok(()) => return Ok(after),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EndpointError::Contended(id))
    }
}
