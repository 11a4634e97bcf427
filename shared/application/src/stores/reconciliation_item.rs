//! The form of a tenant's hour in the table.

use std::time::Duration;

use postrider_domain::reconciliation::{Counts, Findings, Look, ReconciliationState};
use postrider_domain::{Hour, Reconciliation, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::due;
use super::item::invalid;
use crate::ports::table::{TableError, TableName};

pub(super) const TABLE: TableName = TableName::Ledger;

/// In the index `due`: the hours that are to be looked at. Two writes for each look, so that one partition is enough.
pub(super) const DUE_PARTITION: &str = "RECONCILE";

/// How long an hour is kept: as long as its deliveries.
const RETENTION: Duration = super::delivery_item::RETENTION;

#[derive(Serialize, Deserialize)]
pub(super) struct ReconciliationItem {
    pk: String,
    pub(super) sk: String,
    state: String,
    /// JSON text.
    counts: String,
    #[serde(default)]
    stuck: u64,
    repaired: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checked_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lacks_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stuck_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_at: Option<u64>,
    looks: u32,
    /// JSON text of the look that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    look: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL.
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct CountsForm {
    accepted: u64,
    scheduled: u64,
    events_missing: u64,
    matched: u64,
    delivered: u64,
    failed: u64,
    parked: u64,
    cancelled: u64,
    in_progress: u64,
}

#[derive(Serialize, Deserialize)]
struct LookForm {
    from: u64,
    counts: CountsForm,
    stuck: u64,
    #[serde(default)]
    released: u64,
    repaired: u64,
    has_more: bool,
    last_begins_at: Option<u64>,
}

/// The partition of a tenant's hours.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}#H")
}

/// Whose hour is in a partition.
pub(super) fn tenant_of(pk: &str) -> Result<TenantId, TableError> {
    let tenant = pk.split('#').nth(1).unwrap_or_default();
    tenant.parse().map_err(|error| invalid(TABLE, error))
}

impl CountsForm {
    const fn write(counts: &Counts) -> Self {
        Self {
            accepted: counts.accepted,
            scheduled: counts.scheduled,
            events_missing: counts.events_missing,
            matched: counts.matched,
            delivered: counts.delivered,
            failed: counts.failed,
            parked: counts.parked,
            cancelled: counts.cancelled,
            in_progress: counts.in_progress,
        }
    }

    const fn read(&self) -> Counts {
        Counts {
            accepted: self.accepted,
            scheduled: self.scheduled,
            events_missing: self.events_missing,
            matched: self.matched,
            delivered: self.delivered,
            failed: self.failed,
            parked: self.parked,
            cancelled: self.cancelled,
            in_progress: self.in_progress,
        }
    }
}

impl LookForm {
    fn write(look: &Look) -> Self {
        // Whether it is held up is found out at its end.
        let Findings { counts, stuck, released, repaired, has_more, last_begins_at, is_held_up: _ } =
            look.findings;
        Self {
            from: look.from.as_millis(),
            counts: CountsForm::write(&counts),
            stuck,
            released,
            repaired,
            has_more,
            last_begins_at: last_begins_at.map(Timestamp::as_millis),
        }
    }

    fn read(self) -> Look {
        let findings = Findings {
            counts: self.counts.read(),
            stuck: self.stuck,
            released: self.released,
            is_held_up: false,
            repaired: self.repaired,
            has_more: self.has_more,
            last_begins_at: self.last_begins_at.map(Timestamp::from_millis),
        };
        Look { from: Timestamp::from_millis(self.from), findings }
    }
}

impl ReconciliationItem {
    pub(super) fn write(form: &Reconciliation) -> Result<Self, TableError> {
        let json = |error| invalid(TABLE, error);
        let look = form.look.as_ref().map(|look| serde_json::to_string(&LookForm::write(look)));
        Ok(Self {
            pk: partition(&form.tenant),
            sk: form.hour.to_string(),
            state: form.state.as_str().to_owned(),
            counts: serde_json::to_string(&CountsForm::write(&form.counts)).map_err(json)?,
            stuck: form.stuck,
            repaired: form.repaired,
            checked_at: form.checked_at.map(Timestamp::as_millis),
            lacks_since: form.lacks_since.map(Timestamp::as_millis),
            stuck_since: form.stuck_since.map(Timestamp::as_millis),
            told_at: form.told_at.map(Timestamp::as_millis),
            looks: form.looks,
            look: look.transpose().map_err(json)?,
            due: form.due_at.map(|_| DUE_PARTITION.to_owned()),
            due_at: form.due_at.map(due::place),
            version: form.version,
            expires_at: form.hour.ends_at().after(RETENTION).as_seconds(),
        })
    }

    pub(super) fn read(self) -> Result<Reconciliation, TableError> {
        let counts: CountsForm = serde_json::from_str(&self.counts).map_err(|error| invalid(TABLE, error))?;
        let look = self.look.as_deref().map(serde_json::from_str::<LookForm>).transpose();
        let hour: Hour = self.sk.parse().map_err(|error| invalid(TABLE, error))?;
        let state: ReconciliationState = self.state.parse().map_err(|error| invalid(TABLE, error))?;
        Ok(Reconciliation {
            tenant: tenant_of(&self.pk)?,
            hour,
            state,
            counts: counts.read(),
            stuck: self.stuck,
            repaired: self.repaired,
            checked_at: self.checked_at.map(Timestamp::from_millis),
            lacks_since: self.lacks_since.map(Timestamp::from_millis),
            stuck_since: self.stuck_since.map(Timestamp::from_millis),
            told_at: self.told_at.map(Timestamp::from_millis),
            looks: self.looks,
            look: look.map_err(|error| invalid(TABLE, error))?.map(LookForm::read),
            due_at: self.due_at.as_deref().map(due::moment).transpose()?,
            version: self.version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_was_stored_before_stuck_deliveries_were_counted_is_read() {
        let hour: Hour = "2026-01-31T12".parse().unwrap();
        let at = hour.settled_at();
        let mut form = Reconciliation::new("acme".parse().unwrap(), hour, at);
        (form.stuck, form.stuck_since) = (7, Some(at));
        let findings = Findings { stuck: 3, released: 2, ..Findings::default() };
        form.look = Some(Look { from: at, findings });
        let written = serde_json::to_value(ReconciliationItem::write(&form).unwrap()).unwrap();
        let read = |item| serde_json::from_value::<ReconciliationItem>(item).unwrap().read().unwrap();
        assert_eq!(read(written.clone()), form);

        let mut former = written;
        let item = former.as_object_mut().unwrap();
        assert!(item.remove("stuck").is_some() && item.remove("stuck_since").is_some());
        let look = item["look"].as_str().unwrap().replace("\"released\":2,", "");
        item["look"] = look.into();
        (form.stuck, form.stuck_since) = (0, None);
        form.look = Some(Look { from: at, findings: Findings { released: 0, ..findings } });
        assert_eq!(read(former), form);
    }
}
