//! What a look has found out about the endpoints of suspicious deliveries: each is asked about once.

use std::collections::HashMap;

use postrider_domain::circuit::Notice;
use postrider_domain::reconciliation::STUCK_AFTER;
use postrider_domain::{CircuitState, EndpointId, EndpointStatus, InOrder, TenantId, Timestamp};

use super::{Reconcile, ReconcileError};
use crate::stores::buckets::BucketKey;

/// The endpoints that a look has asked about.
pub(super) type KnownEndpoints = HashMap<EndpointId, Known>;

/// What is known of an endpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    basics: Option<Basics>,
    parking: Option<Parking>,
    /// Whether its parked deliveries were released in this look.
    pub(super) is_released: bool,
}

/// What matters for every delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basics {
    /// Whether it is there and neither paused nor disabled.
    is_active: bool,
    /// What it asks for, if it is ordered.
    pub(super) in_order: Option<InOrder>,
    /// Whether it has more deliveries than it takes: then each has a slot on a waiting list, and a message that comes
    /// back for it.
    pub(super) waits_for_its_rate: bool,
}

/// What matters for parked deliveries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parking {
    /// Whether they would go on, and nothing is to come that lets them: it is active, and its circuit is closed.
    pub(super) takes_them: bool,
    /// What was parked by then stays parked until a person says otherwise.
    pub(super) kept_at: Option<Timestamp>,
    /// Whether they were released lately, so that their messages may be on their way.
    pub(super) is_draining: bool,
}

impl Reconcile {
    /// What matters for every delivery of an endpoint.
    pub(super) async fn basics(
        &self,
        (tenant, id): (&TenantId, EndpointId),
        known: &mut Known,
        now: Timestamp,
    ) -> Result<Basics, ReconcileError> {
        if let Some(basics) = known.basics {
            return Ok(basics);
        }
        let record = self.endpoints.get(tenant, id).await?;
        let bucket = self.buckets.get(&BucketKey::Endpoint(tenant.clone(), id)).await?;
        Ok(*known.basics.insert(Basics {
            is_active: record.as_ref().is_some_and(|it| it.endpoint.status == EndpointStatus::Active),
            in_order: record.and_then(|record| record.endpoint.in_order),
            waits_for_its_rate: bucket.has_waiting_list(now),
        }))
    }

    /// What matters for parked deliveries of an endpoint.
    pub(super) async fn parking(
        &self,
        (tenant, id): (&TenantId, EndpointId),
        known: &mut Known,
        now: Timestamp,
    ) -> Result<Parking, ReconcileError> {
        if let Some(parking) = known.parking {
            return Ok(parking);
        }
        let mut parking = Parking::default();
        if self.basics((tenant, id), known, now).await?.is_active {
            let circuit = self.circuits.get(tenant, id, true).await?;
            // Whoever opened it sees to what follows, and the schedule after them.
            parking.takes_them =
                circuit.state == CircuitState::Closed && !circuit.notices.contains(&Notice::Release);
        }
        if parking.takes_them {
            let drain = self.drains.get(tenant, id).await?;
            (parking.kept_at, parking.is_draining) = (drain.kept_at, drain.is_recent(now, STUCK_AFTER));
        }
        Ok(*known.parking.insert(parking))
    }
}
