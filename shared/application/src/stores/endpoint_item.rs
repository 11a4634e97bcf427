//! The form of endpoints and subscriptions in the table.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use postrider_domain::retry::Backoff;
use postrider_domain::signature::PublishedKey;
use postrider_domain::{
    Endpoint, Filter, InOrder, RateLimit, RetryPolicy, Subscription, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::invalid;
use crate::ports::table::{TableError, TableName};

const TABLE: TableName = TableName::Config;

/// An endpoint with its channel's configuration.
#[derive(Debug, Clone)]
pub struct EndpointRecord {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The channel's configuration with credentials masked.
    pub masked_config: Value,
    /// The channel's configuration and the signing keys, sealed.
    pub sealed: Vec<u8>,
    /// The public halves of its key pairs, the newest first, ended ones perhaps included.
    pub public_keys: Vec<PublishedKey>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EndpointItem {
    pub(super) pk: String,
    pub(super) sk: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    channel: String,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    subscriptions: Vec<SubscriptionForm>,
    is_default: bool,
    retry: RetryForm,
    /// Missing in items of versions that had no limit.
    #[serde(default)]
    rate_limit: RateLimitForm,
    timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_order: Option<InOrderForm>,
    metadata: Vec<(String, String)>,
    /// JSON text.
    config: String,
    /// Base64.
    sealed: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    public_keys: Vec<PublicKeyForm>,
    created_at: u64,
    updated_at: u64,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct SubscriptionForm {
    pattern: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct InOrderForm {
    since: u64,
    max_blocked_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct PublicKeyForm {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct RetryForm {
    max_attempts: u32,
    jitter: f64,
    strategy: StrategyForm,
}

/// A rate limit, in an endpoint's or a tenant's item.
#[derive(Serialize, Deserialize)]
pub(super) struct RateLimitForm {
    per_second: f64,
    burst: u32,
}

impl Default for RateLimitForm {
    fn default() -> Self {
        Self::write(&RateLimit::default())
    }
}

impl RateLimitForm {
    pub(super) const fn write(limit: &RateLimit) -> Self {
        Self { per_second: limit.per_second, burst: limit.burst }
    }

    pub(super) const fn read(&self) -> RateLimit {
        RateLimit { per_second: self.per_second, burst: self.burst }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StrategyForm {
    Exponential { initial_ms: u64, multiplier: f64, max_ms: u64 },
    Linear { initial_ms: u64, max_ms: u64 },
    Fixed { delay_ms: u64 },
    Schedule { waits_ms: Vec<u64> },
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl EndpointItem {
    pub(super) fn write(record: &EndpointRecord) -> Self {
        let endpoint = &record.endpoint;
        let subscription = |subscription: &Subscription| SubscriptionForm {
            pattern: subscription.pattern.to_string(),
            filter: subscription.filter.as_ref().map(|filter| filter.as_str().to_owned()),
        };
        Self {
            pk: super::endpoints::partition(&endpoint.tenant),
            sk: endpoint.id.to_string(),
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            channel: endpoint.channel.to_string(),
            status: endpoint.status.to_string(),
            status_reason: endpoint.status_reason.clone(),
            subscriptions: endpoint.subscriptions.iter().map(subscription).collect(),
            is_default: endpoint.is_default,
            retry: RetryForm::write(&endpoint.retry),
            rate_limit: RateLimitForm::write(&endpoint.rate_limit),
            timeout_ms: millis(endpoint.timeout),
            in_order: endpoint.in_order.as_ref().map(InOrderForm::write),
            metadata: endpoint.metadata.clone(),
            config: record.masked_config.to_string(),
            sealed: sealed_text(&record.sealed),
            public_keys: record.public_keys.iter().map(PublicKeyForm::write).collect(),
            created_at: endpoint.created_at.as_millis(),
            updated_at: endpoint.updated_at.as_millis(),
            version: endpoint.version,
        }
    }

    pub(super) fn read(self, tenant: &TenantId) -> Result<EndpointRecord, TableError> {
        let subscriptions: Result<_, TableError> =
            self.subscriptions.into_iter().map(SubscriptionForm::read).collect();
        let public_keys: Result<_, TableError> =
            self.public_keys.into_iter().map(PublicKeyForm::read).collect();
        let endpoint = Endpoint {
            tenant: tenant.clone(),
            id: self.sk.parse().map_err(|error| invalid(TABLE, error))?,
            name: self.name,
            description: self.description,
            channel: self.channel.parse().map_err(|error| invalid(TABLE, error))?,
            status: self.status.parse().map_err(|error| invalid(TABLE, error))?,
            status_reason: self.status_reason,
            subscriptions: subscriptions?,
            is_default: self.is_default,
            retry: self.retry.read(),
            rate_limit: self.rate_limit.read(),
            timeout: Duration::from_millis(self.timeout_ms),
            in_order: self.in_order.map(InOrderForm::read),
            metadata: self.metadata,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            version: self.version,
        };
        Ok(EndpointRecord {
            endpoint,
            masked_config: serde_json::from_str(&self.config).map_err(|error| invalid(TABLE, error))?,
            sealed: BASE64.decode(self.sealed).map_err(|error| invalid(TABLE, error))?,
            public_keys: public_keys?,
        })
    }
}

/// The form of what is sealed.
pub(super) fn sealed_text(sealed: &[u8]) -> String {
    BASE64.encode(sealed)
}

/// The beginning of that form, which tells one seal from another: 18 bytes, with the whole nonce.
pub(super) fn seal_mark(sealed: &[u8]) -> String {
    sealed_text(sealed.get(..18).unwrap_or(sealed))
}

impl InOrderForm {
    fn write(in_order: &InOrder) -> Self {
        Self { since: in_order.since.as_millis(), max_blocked_ms: millis(in_order.max_blocked) }
    }

    const fn read(self) -> InOrder {
        InOrder {
            since: Timestamp::from_millis(self.since),
            max_blocked: Duration::from_millis(self.max_blocked_ms),
        }
    }
}

impl PublicKeyForm {
    fn write(published: &PublishedKey) -> Self {
        Self { key: published.key.to_string(), expires_at: published.expires_at.map(Timestamp::as_millis) }
    }

    fn read(self) -> Result<PublishedKey, TableError> {
        Ok(PublishedKey {
            key: self.key.parse().map_err(|error| invalid(TABLE, error))?,
            expires_at: self.expires_at.map(Timestamp::from_millis),
        })
    }
}

impl SubscriptionForm {
    fn read(self) -> Result<Subscription, TableError> {
        Ok(Subscription {
            pattern: self.pattern.parse().map_err(|error| invalid(TABLE, error))?,
            filter: self.filter.as_deref().map(read_filter).transpose()?,
        })
    }
}

pub(super) fn read_filter(text: &str) -> Result<Filter, TableError> {
    Filter::parse(text).map_err(|error| invalid(TABLE, error))
}

impl RetryForm {
    fn write(policy: &RetryPolicy) -> Self {
        let strategy = match &policy.strategy {
            Backoff::Exponential { initial, multiplier, max } => StrategyForm::Exponential {
                initial_ms: millis(*initial),
                multiplier: *multiplier,
                max_ms: millis(*max),
            },
            Backoff::Linear { initial, max } => {
                StrategyForm::Linear { initial_ms: millis(*initial), max_ms: millis(*max) }
            }
            Backoff::Fixed { delay } => StrategyForm::Fixed { delay_ms: millis(*delay) },
            Backoff::Schedule(waits) => {
                StrategyForm::Schedule { waits_ms: waits.iter().copied().map(millis).collect() }
            }
        };
        Self { max_attempts: policy.max_attempts, jitter: policy.jitter, strategy }
    }

    fn read(self) -> RetryPolicy {
        let duration = Duration::from_millis;
        let strategy = match self.strategy {
            StrategyForm::Exponential { initial_ms, multiplier, max_ms } => {
                Backoff::Exponential { initial: duration(initial_ms), multiplier, max: duration(max_ms) }
            }
            StrategyForm::Linear { initial_ms, max_ms } => {
                Backoff::Linear { initial: duration(initial_ms), max: duration(max_ms) }
            }
            StrategyForm::Fixed { delay_ms } => Backoff::Fixed { delay: duration(delay_ms) },
            StrategyForm::Schedule { waits_ms } => {
                Backoff::Schedule(waits_ms.into_iter().map(duration).collect())
            }
        };
        RetryPolicy { max_attempts: self.max_attempts, strategy, jitter: self.jitter }
    }
}
