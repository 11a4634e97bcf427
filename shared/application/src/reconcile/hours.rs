//! Which hours there are to look at.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::reconciliation::LOOKED_AT_FOR;
use postrider_domain::{Hour, Reconciliation, TenantId, Timestamp};

use super::{Reconcile, ReconcileError, Reconciled};
use crate::stores::PageRequest;
use crate::stores::reconciliations::{Changed, Cursor};

/// How many tenants are read at a time.
const TENANTS: usize = 100;

/// How many of them are asked at the same time whether they have events.
const PARALLEL: usize = 8;

impl Reconcile {
    /// Puts down the hours that are over, of all tenants, in the order of the hours.
    pub(super) async fn open_hours(
        &self,
        until: Timestamp,
        run: &mut Reconciled,
    ) -> Result<(), ReconcileError> {
        let Some(mut cursor) = self.hours.cursor().await? else {
            // Of what was accepted before there may be no manifests.
            let hour = Hour::of(self.clock.now()).next();
            self.hours.advance(&Cursor { hour, after: None, version: 1 }).await?;
            return Ok(());
        };
        loop {
            let now = self.clock.now();
            let earliest = Hour::of(earlier(now, LOOKED_AT_FOR));
            if cursor.hour < earliest {
                (cursor.hour, cursor.after) = (earliest, None);
            }
            if cursor.hour.settled_at() > now {
                return Ok(());
            }
            if now >= until {
                run.unfinished = true;
                return Ok(());
            }
            let after = cursor.after.as_ref().map(TenantId::to_string);
            let page = self.tenants.list(PageRequest { limit: TENANTS, after }).await?;
            let last = page.items.last().map(|tenant| tenant.id.clone());
            let opened: Vec<_> = stream::iter(page.items)
                .map(|tenant| self.open(tenant.id, cursor.hour))
                .buffer_unordered(PARALLEL)
                .try_collect()
                .await?;
            run.opened += opened.into_iter().filter(|opened| *opened).count();
            (cursor.hour, cursor.after) = match page.next {
                Some(_) => (cursor.hour, last),
                None => (cursor.hour.next(), None),
            };
            cursor.version += 1;
            if self.hours.advance(&cursor).await? == Changed::Not {
                // Another run is at it.
                return Ok(());
            }
        }
    }

    /// Puts down an hour of a tenant's, if anything was accepted in it. Answers whether this was who did.
    async fn open(&self, tenant: TenantId, hour: Hour) -> Result<bool, ReconcileError> {
        if !self.events.has_any(&tenant, hour.begins_at(), hour.ends_at()).await? {
            return Ok(false);
        }
        let hour = Reconciliation::new(tenant, hour, self.clock.now());
        Ok(self.hours.open(&hour).await? == Changed::Yes)
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_sub(by.as_millis() as u64))
}
