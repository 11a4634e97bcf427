//! Endpoints ready to be used: read, unsealed and opened once for many attempts.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{ChannelKind, Endpoint, EndpointId, TenantId, Timestamp};

use crate::cache::TimedCache;
use crate::endpoints::{Secrets, SecretsError};
use crate::ports::{Channel, Clock, Destination, TableError};
use crate::stores::Endpoints;

/// How long an endpoint is used without being read again. A sender that knows of a newer version says so in
/// its message, so this bounds how long a pause or a deletion goes unnoticed.
const CACHED: Duration = Duration::from_secs(10);

/// The endpoint's stored configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenEndpointError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its secrets cannot be opened.
    #[error("the secrets of {endpoint} cannot be opened")]
    Secrets {
        /// The endpoint.
        endpoint: EndpointId,
        /// Why.
        #[source]
        source: SecretsError,
    },
    /// Its configuration does not pass today's checks.
    #[error("the configuration of {endpoint} is not valid: {problems}")]
    Config {
        /// The endpoint.
        endpoint: EndpointId,
        /// What is wrong, in plain words.
        problems: String,
    },
}

/// An endpoint with its destination.
pub struct OpenEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Where its deliveries go.
    pub destination: Arc<dyn Destination>,
}

/// The endpoints of one channel, opened when they are needed.
pub struct OpenEndpoints {
    endpoints: Endpoints,
    secrets: Secrets,
    channel: Arc<dyn Channel>,
    clock: Arc<dyn Clock>,
    cache: TimedCache<(TenantId, EndpointId), Arc<OpenEndpoint>>,
}

impl OpenEndpoints {
    /// The endpoints in this store that are of this channel.
    pub fn new(
        endpoints: Endpoints,
        secrets: Secrets,
        channel: Arc<dyn Channel>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { endpoints, secrets, channel, clock, cache: TimedCache::new(10_000, CACHED) }
    }

    /// The channel.
    pub fn channel(&self) -> ChannelKind {
        self.channel.kind()
    }

    /// A tenant's endpoint in at least this version; `None` when there is no such endpoint.
    ///
    /// # Errors
    /// When it cannot be read or opened.
    pub async fn get(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        version: u64,
    ) -> Result<Option<Arc<OpenEndpoint>>, OpenEndpointError> {
        let key = (tenant.clone(), id);
        let now = self.clock.now();
        if let Some(open) = self.cache.get(&key, now).filter(|open| open.endpoint.version >= version) {
            return Ok(Some(open));
        }
        Box::pin(self.read(key, now)).await
    }

    /// Reads and opens an endpoint.
    async fn read(
        &self,
        key: (TenantId, EndpointId),
        now: Timestamp,
    ) -> Result<Option<Arc<OpenEndpoint>>, OpenEndpointError> {
        let id = key.1;
        let Some(record) = self.endpoints.get(&key.0, id).await? else {
            self.cache.remove(&key);
            return Ok(None);
        };
        let secrets = self
            .secrets
            .open(&record)
            .await
            .map_err(|source| OpenEndpointError::Secrets { endpoint: id, source })?;
        let destination = self.channel.open(&secrets.config, secrets.signing).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            OpenEndpointError::Config { endpoint: id, problems: problems.join("; ") }
        })?;
        let open = Arc::new(OpenEndpoint { endpoint: record.endpoint, destination });
        self.cache.insert(key, Arc::clone(&open), now);
        Ok(Some(open))
    }

    /// Reads an endpoint again when it is needed next.
    pub fn forget(&self, tenant: &TenantId, id: EndpointId) {
        self.cache.remove(&(tenant.clone(), id));
    }
}
