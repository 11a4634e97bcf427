//! How many events tenants may publish.
//!
//! A tenant's limit is remembered for half a minute, so that publishing reads nothing; where there is none, nothing
//! else happens. Where there is one, its bucket is shared by all instances and asked seldom (see [`crate::rates`]).

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{RateLimit, TenantId};

use crate::cache::TimedCache;
use crate::ports::{Clock, Entropy, TableError};
use crate::rates::{Manner, RateError, Rates, Turn};
use crate::stores::Tenants;
use crate::stores::buckets::BucketKey;

/// How long a tenant's limit is known without another look.
const KNOWN: Duration = Duration::from_secs(30);

/// The limits of all tenants.
pub struct PublishLimits {
    tenants: Tenants,
    rates: Rates,
    clock: Arc<dyn Clock>,
    known: TimedCache<TenantId, Option<RateLimit>>,
}

impl PublishLimits {
    /// The limits of these tenants.
    pub fn new(tenants: Tenants, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let rates = Rates::new(tenants.buckets(), clock.clone(), entropy);
        Self { tenants, rates, clock, known: TimedCache::new(10_000, KNOWN) }
    }

    /// Asks for so many events of a tenant, which can be put off for as long as `patience`. Answers for each from
    /// when on it may be dealt with, or when to publish it again.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn ask(
        &self,
        tenant: &TenantId,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Turn>, RateError> {
        let Some(limit) = self.limit(tenant).await? else {
            return Ok(vec![Turn::Token(self.clock.now()); count]);
        };
        self.take(tenant, &limit, count, patience).await
    }

    /// The same for one event.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn ask_one(&self, tenant: &TenantId, patience: Duration) -> Result<Turn, RateError> {
        let otherwise = Turn::Token(self.clock.now());
        let Some(limit) = self.limit(tenant).await? else { return Ok(otherwise) };
        Ok(Box::pin(self.take(tenant, &limit, 1, patience)).await?.pop().unwrap_or(otherwise))
    }

    async fn take(
        &self,
        tenant: &TenantId,
        limit: &RateLimit,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Turn>, RateError> {
        let key = BucketKey::Publishing(tenant.clone());
        self.rates.take(&key, limit, count, Manner::Within(patience)).await
    }

    async fn limit(&self, tenant: &TenantId) -> Result<Option<RateLimit>, TableError> {
        let now = self.clock.now();
        if let Some(limit) = self.known.get(tenant, now) {
            return Ok(limit);
        }
        let limit = self.tenants.get(tenant).await?.and_then(|tenant| tenant.publish_limit);
        self.known.insert(tenant.clone(), limit, now);
        Ok(limit)
    }
}
