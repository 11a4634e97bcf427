//! Events that come from inside the account, over a queue or an event bus, on behalf of a tenant that they name.
//!
//! Who may put something there is decided by the account's own permissions; here it is only checked that the
//! tenant exists, since otherwise nobody would ever see the event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use postrider_domain::TenantId;

use crate::cache::TimedCache;
use crate::ingest::{Accepted, Ingest, IngestError, Publication};
use crate::ports::{Clock, TableError};
use crate::stores::Tenants;

/// How long a tenant that was found is known without another look.
const KNOWN: Duration = Duration::from_secs(300);

/// An event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    UnknownTenant(TenantId),
    /// The tenants cannot be read: trying again may help.
    #[error("the tenants cannot be read")]
    Tenants(#[source] Arc<TableError>),
    /// As for an event that is published over HTTP.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// Accepts events on behalf of tenants.
pub struct Inbox {
    tenants: Tenants,
    ingest: Ingest,
    clock: Arc<dyn Clock>,
    known: TimedCache<TenantId, ()>,
}

impl Inbox {
    /// An inbox for these tenants.
    pub fn new(tenants: Tenants, ingest: Ingest, clock: Arc<dyn Clock>) -> Self {
        Self { tenants, ingest, clock, known: TimedCache::new(10_000, KNOWN) }
    }

    /// Accepts events, each by itself: the results are in their order.
    pub async fn accept(&self, events: Vec<(TenantId, Publication)>) -> Vec<Result<Accepted, InboxError>> {
        let mut by_tenant: BTreeMap<TenantId, (Vec<usize>, Vec<Publication>)> = BTreeMap::new();
        for (place, (tenant, publication)) in events.into_iter().enumerate() {
            let (places, publications) = by_tenant.entry(tenant).or_default();
            places.push(place);
            publications.push(publication);
        }
        let accepted = by_tenant.into_iter().map(|(tenant, (places, publications))| async move {
            let results = self.accept_for(tenant, publications).await;
            places.into_iter().zip(results).collect::<Vec<_>>()
        });
        let mut results: Vec<_> = join_all(accepted).await.into_iter().flatten().collect();
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn accept_for(
        &self,
        tenant: TenantId,
        publications: Vec<Publication>,
    ) -> Vec<Result<Accepted, InboxError>> {
        if self.known.get(&tenant, self.clock.now()).is_none() {
            match self.tenants.get(&tenant).await {
                Ok(Some(_)) => self.known.insert(tenant.clone(), (), self.clock.now()),
                Ok(None) => {
                    let unknown = |_| Err(InboxError::UnknownTenant(tenant.clone()));
                    return publications.into_iter().map(unknown).collect();
                }
                Err(error) => {
                    let error = Arc::new(error);
                    let failed = |_| Err(InboxError::Tenants(error.clone()));
                    return publications.into_iter().map(failed).collect();
                }
            }
        }
        let results = self.ingest.accept_batch(&tenant, publications).await;
        results.into_iter().map(|result| result.map_err(InboxError::from)).collect()
    }
}
