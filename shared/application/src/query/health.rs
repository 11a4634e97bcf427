//! How an endpoint is doing: its circuit, its latest attempts, and what is parked for it.

use std::time::Duration;

use postrider_domain::{Circuit, EndpointId, Outcome, TenantId, Timestamp};

use super::Lookup;
use crate::ports::TableError;
use crate::stores::PageRequest;
use crate::stores::delivery_lists::DeliveryFilter;
use crate::stores::drains::Drain;

/// Of how many of the latest deliveries the attempts are looked at.
const SAMPLE: usize = 100;

/// How many parked deliveries are counted.
const COUNTED: usize = 1_000;

/// How an endpoint is doing.
#[derive(Debug)]
pub struct Health {
    /// Its circuit.
    pub circuit: Circuit,
    /// The latest success, as far as it is on record.
    pub last_success_at: Option<Timestamp>,
    /// The latest failure, as far as it is on record.
    pub last_failure_at: Option<Timestamp>,
    /// How many attempts of the latest deliveries were looked at.
    pub sample: usize,
    /// How many of them succeeded.
    pub succeeded: usize,
    /// How long they took on average; `None` when there were none.
    pub average_duration: Option<Duration>,
}

/// What is parked for an endpoint.
#[derive(Debug)]
pub struct Parked {
    /// How many deliveries.
    pub count: usize,
    /// Whether there may be more than that.
    pub at_least: bool,
    /// When the oldest one was created.
    pub oldest_at: Option<Timestamp>,
    /// What is being done with them, or was last.
    pub drain: Drain,
}

impl Lookup {
    /// How an endpoint is doing; `None` when there is none.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn health(&self, tenant: &TenantId, id: EndpointId) -> Result<Option<Health>, TableError> {
        if self.endpoints.get(tenant, id).await?.is_none() {
            return Ok(None);
        }
        let page = PageRequest { limit: SAMPLE, after: None };
        let latest = self.deliveries.list(tenant, &[id], &DeliveryFilter::default(), page).await?;
        let attempts: Vec<_> = latest.items.iter().flat_map(|delivery| &delivery.attempts).collect();
        let ended = |is_wanted: &dyn Fn(Outcome) -> bool| {
            let wanted = attempts.iter().filter(|attempt| is_wanted(attempt.outcome));
            wanted.map(|attempt| attempt.started_at.after(attempt.duration)).max()
        };
        let circuit = self.circuits.get(tenant, id, true).await?;
        let durations: Duration = attempts.iter().map(|attempt| attempt.duration).sum();
        let sample = attempts.len();
        Ok(Some(Health {
            last_success_at: ended(&|outcome| outcome == Outcome::Delivered).max(circuit.last_success_at),
            last_failure_at: ended(&|outcome| outcome == Outcome::Retry).max(circuit.last_failure_at),
            sample,
            succeeded: attempts.iter().filter(|attempt| attempt.outcome == Outcome::Delivered).count(),
            average_duration: u32::try_from(sample).ok().filter(|sample| *sample > 0).map(|n| durations / n),
            circuit,
        }))
    }

    /// What is parked for an endpoint; `None` when there is none.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn parked(&self, tenant: &TenantId, id: EndpointId) -> Result<Option<Parked>, TableError> {
        if self.endpoints.get(tenant, id).await?.is_none() {
            return Ok(None);
        }
        let page = self.deliveries.parked(tenant, id, None, COUNTED).await?;
        Ok(Some(Parked {
            count: page.deliveries.len(),
            at_least: page.next.is_some(),
            oldest_at: page.deliveries.first().map(|delivery| delivery.created_at),
            drain: self.drains.get(tenant, id).await?,
        }))
    }
}
