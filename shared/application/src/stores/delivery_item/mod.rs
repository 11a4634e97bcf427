//! The form of a delivery in the table: small, because every kilobyte is a write unit.

mod attempts;
mod headers;

use std::borrow::Cow;
use std::time::Duration;

use postrider_domain::id::{ULID_LEN, Ulid};
use postrider_domain::{Delivery, DeliveryId, DeliveryStatus, EndpointId, EventId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::due::{self, DueShard};
use super::item::invalid;
use crate::ports::table::{Key, TableError, TableName};

pub(super) const TABLE: TableName = TableName::Ledger;

/// How long a delivery is kept.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Serialize, Deserialize)]
pub(super) struct DeliveryItem<'a> {
    pk: String,
    sk: String,
    event_id: Cow<'a, str>,
    event_type: Cow<'a, str>,
    channel: Cow<'a, str>,
    status: Cow<'a, str>,
    attempt_count: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    spent_before: u32,
    max_attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_at: Option<u64>,
    created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered_at: Option<u64>,
    /// JSON text, see [`attempts`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    pub(super) version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL.
    expires_at: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The partition of an endpoint's deliveries.
pub(super) fn partition(tenant: &TenantId, endpoint: EndpointId) -> String {
    ["T#", tenant.as_str(), "#D#", &endpoint.to_string()].concat()
}

/// The partition of a tenant's deliveries in the index of those that are not over.
pub(super) fn open_partition(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

pub(super) fn key(tenant: &TenantId, id: DeliveryId) -> Key {
    let place = id.event_part().array_to_str(&mut [0; ULID_LEN]).to_owned();
    Key::new(partition(tenant, id.endpoint()), place)
}

/// A delivery's id from its key.
pub(super) fn id_of(pk: &str, sk: &str) -> Result<DeliveryId, TableError> {
    let endpoint = pk.rsplit('#').next().unwrap_or_default();
    let endpoint = endpoint.parse().map_err(|error| invalid(TABLE, error))?;
    Ok(DeliveryId::from_parts(place_of(sk)?, endpoint))
}

/// A delivery's place among its endpoint's, from its range key.
pub(super) fn place_of(sk: &str) -> Result<Ulid, TableError> {
    Ulid::from_string(sk).map_err(|_| invalid(TABLE, "the range key is not part of a delivery id"))
}

/// Whether the index of open deliveries holds those with a status: none that a happy path passes.
const fn is_open(status: DeliveryStatus) -> bool {
    matches!(status, DeliveryStatus::Retrying | DeliveryStatus::Parked | DeliveryStatus::Failed)
}

impl<'a> DeliveryItem<'a> {
    pub(super) fn write(delivery: &'a Delivery) -> Result<Self, TableError> {
        let Key { pk, sk } = key(&delivery.tenant, delivery.id);
        let open = is_open(delivery.status);
        Ok(Self {
            pk,
            sk,
            event_id: delivery.event_id.as_str().into(),
            event_type: delivery.event_type.as_str().into(),
            channel: delivery.channel.as_str().into(),
            status: delivery.status.as_str().into(),
            attempt_count: delivery.attempt_count,
            spent_before: delivery.spent_before,
            max_attempts: delivery.max_attempts,
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::as_millis),
            parked_at: delivery.parked_at.map(Timestamp::as_millis),
            created_at: delivery.created_at.as_millis(),
            delivered_at: delivery.delivered_at.map(Timestamp::as_millis),
            attempts: attempts::write(&delivery.event_id, &delivery.attempts)?,
            error: delivery.error.as_deref().map(Cow::Borrowed),
            dead_letter: delivery.dead_letter.map(|id| id.to_string()),
            claimed_at: delivery.claimed_at.map(Timestamp::as_millis),
            renewed_by: delivery.renewed_by.map(|job| job.to_string()),
            cancelled_at: delivery.cancelled_at.map(Timestamp::as_millis),
            open: open.then(|| open_partition(&delivery.tenant)),
            open_at: open.then(|| delivery.id.to_string()),
            due: delivery.due_at.map(|_| DueShard::of(&delivery.id.to_string()).partition()),
            due_at: delivery.due_at.map(due::place),
            version: delivery.version,
            expires_at: delivery.created_at.after(RETENTION).as_seconds(),
        })
    }

    pub(super) fn read(self, tenant: &TenantId) -> Result<Delivery, TableError> {
        let event_id: EventId = self.event_id.parse().map_err(|error| invalid(TABLE, error))?;
        let attempts = attempts::read(&event_id, self.attempts.as_deref())?;
        Ok(Delivery {
            id: id_of(&self.pk, &self.sk)?,
            tenant: tenant.clone(),
            event_id,
            event_type: self.event_type.parse().map_err(|error| invalid(TABLE, error))?,
            channel: self.channel.parse().map_err(|error| invalid(TABLE, error))?,
            status: self.status.parse().map_err(|error| invalid(TABLE, error))?,
            attempt_count: self.attempt_count,
            spent_before: self.spent_before,
            max_attempts: self.max_attempts,
            next_attempt_at: self.next_attempt_at.map(Timestamp::from_millis),
            due_at: self.due_at.as_deref().map(due::moment).transpose()?,
            parked_at: self.parked_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            delivered_at: self.delivered_at.map(Timestamp::from_millis),
            attempts,
            error: self.error.map(Cow::into_owned),
            dead_letter: self
                .dead_letter
                .map(|id| id.parse())
                .transpose()
                .map_err(|error| invalid(TABLE, error))?,
            claimed_at: self.claimed_at.map(Timestamp::from_millis),
            renewed_by: self
                .renewed_by
                .map(|job| job.parse())
                .transpose()
                .map_err(|error| invalid(TABLE, error))?,
            cancelled_at: self.cancelled_at.map(Timestamp::from_millis),
            version: self.version,
        })
    }
}

#[cfg(test)]
mod tests;
