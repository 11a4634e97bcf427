//! Creating, changing and removing endpoints, checked by their channel and with their secrets sealed.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::endpoint::DEFAULT_TIMEOUT;
use postrider_domain::signature::KeyRing;
use postrider_domain::{
    ChannelKind, Endpoint, EndpointId, EndpointStatus, FieldProblem, InOrder, RateLimit, RetryPolicy,
    Subscription, TenantId, Timestamp,
};
use serde_json::Value;

use super::patch::merge;
use super::secrets::{OpenSecrets, Secrets};
use super::{EndpointError, TRIES};
use crate::ports::{Channel, Channels, Clock, Entropy, TableError};
use crate::stores::Endpoints;
use crate::stores::endpoint_item::EndpointRecord;

/// What is asked for when an endpoint is created.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The kind of destination.
    pub channel: ChannelKind,
    /// Everything that can be changed later; the name and the configuration have to be there.
    pub fields: Changes,
}

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for; the inner `None` removes it.
    pub description: Option<Option<String>>,
    /// The channel's configuration, merged into the present one.
    pub config: Option<Value>,
    /// Which events it asks for, in place of the present subscriptions.
    pub subscriptions: Option<Vec<Subscription>>,
    /// How failed attempts are repeated.
    pub retry: Option<RetryPolicy>,
    /// How often it is called.
    pub rate_limit: Option<RateLimit>,
    /// How long the receiver has to answer.
    pub timeout: Option<Duration>,
    /// Whether events for default endpoints come here.
    pub is_default: Option<bool>,
    /// Whether its deliveries go one after the other.
    pub in_order: Option<bool>,
    /// For how long one that fails holds back the others.
    pub max_blocked: Option<Duration>,
    /// Labels, in place of the present ones.
    pub metadata: Option<Vec<(String, String)>>,
}

/// Creates, changes and removes endpoints.
#[derive(Clone)]
pub struct ManageEndpoints {
    pub(super) endpoints: Endpoints,
    channels: Channels,
    pub(super) secrets: Secrets,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl ManageEndpoints {
    /// Management of the endpoints in this store.
    pub fn new(
        endpoints: Endpoints,
        channels: Channels,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { endpoints, channels, secrets, clock, entropy }
    }

    /// Creates an endpoint. Answers it and its signing keys.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the store fails.
    pub async fn create(
        &self,
        tenant: &TenantId,
        new: NewEndpoint,
    ) -> Result<(EndpointRecord, KeyRing), EndpointError> {
        let now = self.clock.now();
        let mut endpoint = Endpoint {
            tenant: tenant.clone(),
            id: EndpointId::new(self.entropy.ulid(now)),
            name: String::new(),
            description: None,
            channel: new.channel,
            status: EndpointStatus::Active,
            status_reason: None,
            subscriptions: Vec::new(),
            is_default: false,
            retry: RetryPolicy::default(),
            rate_limit: RateLimit::default(),
            timeout: DEFAULT_TIMEOUT,
            in_order: None,
            metadata: Vec::new(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let config = new.fields.config.clone().unwrap_or(Value::Null);
        apply(&mut endpoint, new.fields, now)?;
        let mut secrets = OpenSecrets { config, signing: KeyRing::default() };
        self.provide_keys(&endpoint, &mut secrets)?;
        let keys = secrets.signing.clone();
        let record = self.record(endpoint, secrets).await?;
        for _ in 1..TRIES {
            // Every endpoint of a tenant counts up the same item.
            match self.endpoints.create(&record).await {
                Err(TableError::Conflict) => {}
                created => return Ok(created.map(|()| (record, keys))?),
            }
        }
        self.endpoints.create(&record).await?;
        Ok((record, keys))
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// When there is none, a field is wrong, or the store fails.
    pub async fn update(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        changes: Changes,
    ) -> Result<EndpointRecord, EndpointError> {
        for _ in 0..TRIES {
            let before = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
            let mut secrets = self.secrets.open(&before).await?;
            if let Some(change) = &changes.config {
                secrets.config = merge(&secrets.config, change);
            }
            let mut endpoint = before.endpoint.clone();
            let now = self.clock.now();
            apply(&mut endpoint, changes.clone(), now)?;
            endpoint.updated_at = now;
            endpoint.version += 1;
            secrets.signing.prune(endpoint.updated_at);
            self.provide_keys(&endpoint, &mut secrets)?;
            let after = self.record(endpoint, secrets).await?;
            match self.endpoints.replace(&before, &after).await {
                Ok(()) => return Ok(after),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EndpointError::Contended(id))
    }

    /// Removes an endpoint. Deliveries that wait for it are cancelled when their turn comes.
    ///
    /// # Errors
    /// When there is none or the store fails.
    pub async fn delete(&self, tenant: &TenantId, id: EndpointId) -> Result<(), EndpointError> {
        for _ in 0..TRIES {
            let record = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
            match self.endpoints.delete(&record).await {
                Ok(()) => return Ok(()),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EndpointError::Contended(id))
    }

    /// Makes the keys that the configuration signs with and that are not there yet.
    fn provide_keys(&self, endpoint: &Endpoint, secrets: &mut OpenSecrets) -> Result<(), EndpointError> {
        for kind in self.channel(endpoint.channel)?.signs_with(&secrets.config) {
            if secrets.signing.present(*kind).is_none() {
                secrets.signing.rotate(self.random_key(*kind), endpoint.updated_at, Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Checks an endpoint and seals its secrets.
    async fn record(
        &self,
        endpoint: Endpoint,
        secrets: OpenSecrets,
    ) -> Result<EndpointRecord, EndpointError> {
        let channel = self.channel(endpoint.channel)?;
        let mut problems = endpoint.check().err().unwrap_or_default();
        let retry = endpoint.retry.check().err().unwrap_or_default();
        problems.extend(retry.into_iter().map(|problem| problem.within("retry")));
        let rate = endpoint.rate_limit.check().err().unwrap_or_default();
        problems.extend(rate.into_iter().map(|problem| problem.within("rate_limit")));
        let config = channel.check(&secrets.config).err().unwrap_or_default();
        problems.extend(config.into_iter().map(|problem| problem.within("config")));
        if !problems.is_empty() {
            return Err(EndpointError::Invalid(problems));
        }
        self.sealed(endpoint, secrets).await
    }

    /// Seals an endpoint's secrets.
    pub(super) async fn sealed(
        &self,
        endpoint: Endpoint,
        secrets: OpenSecrets,
    ) -> Result<EndpointRecord, EndpointError> {
        let channel = self.channel(endpoint.channel)?;
        let sealed = self.secrets.seal(&endpoint.tenant, endpoint.id, &secrets).await?;
        let public_keys = secrets.signing.public_keys();
        Ok(EndpointRecord { endpoint, masked_config: channel.mask(&secrets.config), sealed, public_keys })
    }

    pub(super) fn channel(&self, kind: ChannelKind) -> Result<&dyn Channel, EndpointError> {
        let missing = || FieldProblem::new("channel", format!("{kind} is not available here"));
        self.channels.get(kind).ok_or_else(|| EndpointError::Invalid(vec![missing()]))
    }
}

/// Puts changes into an endpoint, except for the channel's configuration.
fn apply(endpoint: &mut Endpoint, changes: Changes, now: Timestamp) -> Result<(), EndpointError> {
    fn set<T>(field: &mut T, change: Option<T>) {
        if let Some(value) = change {
            *field = value;
        }
    }
    set(&mut endpoint.name, changes.name);
    set(&mut endpoint.description, changes.description);
    set(&mut endpoint.subscriptions, changes.subscriptions);
    set(&mut endpoint.retry, changes.retry);
    set(&mut endpoint.rate_limit, changes.rate_limit);
    set(&mut endpoint.timeout, changes.timeout);
    set(&mut endpoint.is_default, changes.is_default);
    set(&mut endpoint.metadata, changes.metadata);
    match changes.in_order {
        Some(true) => endpoint.in_order = endpoint.in_order.or(Some(InOrder::from(now))),
        Some(false) => endpoint.in_order = None,
        None => {}
    }
    if let Some(max_blocked) = changes.max_blocked {
        let Some(in_order) = &mut endpoint.in_order else {
            let why = "only an ordered endpoint has it; set ordered to true, too";
            return Err(EndpointError::Invalid(vec![FieldProblem::new("max_blocked_seconds", why)]));
        };
        in_order.max_blocked = max_blocked;
    }
    Ok(())
}
