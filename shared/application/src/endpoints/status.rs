//! Turning endpoints on and off.

use std::sync::Arc;

use postrider_domain::{Circuit, EndpointId, EndpointStatus, TenantId};

use super::{EndpointError, ParkedChoice, TRIES};
use crate::announce::{Announce, News, Report};
use crate::ports::{Clock, Queue, TableError};
use crate::stores::endpoint_item::EndpointRecord;
use crate::stores::{Circuits, Drains, Endpoints, Events};

/// Changes whether an endpoint's deliveries are attempted.
#[derive(Clone)]
pub struct ChangeStatus {
    pub(super) endpoints: Endpoints,
    pub(super) circuits: Circuits,
    pub(super) drains: Drains,
    pub(super) announce: Announce,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<dyn Clock>,
}

impl ChangeStatus {
    /// A change in this store, and of what is kept beside it.
    pub fn new(endpoints: Endpoints, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        let (circuits, drains) = (Circuits::new(endpoints.table()), Drains::new(endpoints.table()));
        let announce = Announce::new(Events::new(endpoints.table()), queue.clone(), clock.clone());
        Self { endpoints, circuits, drains, announce, queue, clock }
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
        match status {
            EndpointStatus::Active => self.activate(tenant, id, ParkedChoice::Drain, "").await,
            EndpointStatus::Paused => self.write(tenant, id, status, None).await,
            EndpointStatus::Disabled => {
                let record = self.write(tenant, id, status, None).await?;
                self.tell_disabled(&record).await?;
                Ok(record)
            }
        }
    }

    /// Makes an endpoint active on a person's request, and does with its parked deliveries what they chose.
    ///
    /// # Errors
    /// When there is no such endpoint or a store fails.
    pub async fn activate(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        parked: ParkedChoice,
        by: &str,
    ) -> Result<EndpointRecord, EndpointError> {
        self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
        // Before anything can be released.
        self.put_down(tenant, id, parked).await?;
        let record = self.write(tenant, id, EndpointStatus::Active, None).await?;
        self.treat_parked(tenant, id, parked, by).await?;
        Ok(record)
    }

    /// Disables an endpoint because of what its receiver answered, or did not for days. An endpoint that is gone
    /// stays gone.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn disable(&self, tenant: &TenantId, id: EndpointId, why: &str) -> Result<(), EndpointError> {
        match self.write(tenant, id, EndpointStatus::Disabled, Some(why)).await {
            Ok(record) => {
                tracing::warn!(tenant.id = %tenant, endpoint.id = %id, reason = why, "endpoint disabled");
                self.tell_disabled(&record).await
            }
            Err(EndpointError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Also for an endpoint that was disabled before: whoever did it may have died before telling it.
    async fn tell_disabled(&self, record: &EndpointRecord) -> Result<(), EndpointError> {
        let endpoint = &record.endpoint;
        let report = Report {
            news: News::EndpointDisabled,
            endpoint,
            key: endpoint.version.to_string(),
            reason: endpoint.status_reason.clone().unwrap_or_else(|| "somebody asked for it".to_owned()),
            since: Some(endpoint.updated_at),
            next: None,
        };
        Ok(self.announce.tell(&report).await?)
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
            let now = self.clock.now();
            if before.endpoint.status == EndpointStatus::Disabled {
                // Whoever turns it on again expects it to work: what was before does not count.
                let reset = |circuit: &mut Circuit| (circuit.version > 0).then(|| circuit.reset());
                self.circuits.change(tenant, id, None, now, reset).await?;
            }
            let mut after = before.clone();
            after.endpoint.status = status;
            after.endpoint.status_reason = why.map(str::to_owned);
            after.endpoint.updated_at = now;
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
