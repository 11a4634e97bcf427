//! Endpoints: as they are created and changed, and as they are shown, with credentials masked.

use std::collections::BTreeMap;
use std::str::FromStr;

use postrider_application::endpoints::{Changes, NewEndpoint};
use postrider_application::stores::endpoint_item::EndpointRecord;
use postrider_domain::endpoint::DEFAULT_TIMEOUT;
use postrider_domain::signature::{KeyRing, PublicKey};
use postrider_domain::{ChannelKind, EndpointId, FieldProblem, Filter, Pattern, Subscription, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::rate_limit::{RateLimitBody, RateLimitInput};
use super::retry::{RetryBody, RetryInput};
use super::signing::PresentKeys;
use super::{Findings, Number, Object, Shown, given};

/// A field of a change: missing leaves it as it is, `null` sets it back to its default.
type Given<T> = Option<Option<T>>;

/// An endpoint to be created, or changes of one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EndpointInput {
    #[serde(deserialize_with = "given")]
    name: Given<String>,
    #[serde(deserialize_with = "given")]
    description: Given<String>,
    channel: Option<String>,
    #[serde(deserialize_with = "given")]
    config: Given<Value>,
    #[serde(deserialize_with = "given")]
    subscriptions: Given<Vec<Object<SubscriptionInput>>>,
    #[serde(deserialize_with = "given")]
    retry: Given<Object<RetryInput>>,
    #[serde(deserialize_with = "given")]
    rate_limit: Given<Object<RateLimitInput>>,
    #[serde(deserialize_with = "given")]
    timeout_seconds: Given<Number>,
    #[serde(rename = "default", deserialize_with = "given")]
    is_default: Given<bool>,
    #[serde(deserialize_with = "given")]
    ordered: Given<bool>,
    #[serde(deserialize_with = "given")]
    max_blocked_seconds: Given<Number>,
    #[serde(deserialize_with = "given")]
    metadata: Given<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionInput {
    event_type: Option<String>,
    filter: Option<Box<RawValue>>,
}

impl EndpointInput {
    /// The endpoint as it is to be created.
    pub(crate) fn creation(self) -> Result<NewEndpoint, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let channel = findings.required("channel", self.channel.as_deref());
        let channel = findings.read("channel", channel, ChannelKind::from_str);
        findings.required("name", self.name.as_ref());
        findings.required("config", self.config.as_ref());
        let fields = self.read(&mut findings);
        findings.finish(channel.map(|channel| NewEndpoint { channel, fields }))
    }

    /// The changes to an endpoint.
    pub(crate) fn changes(self) -> Result<Changes, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        if self.channel.is_some() {
            findings.add("channel", "an endpoint's channel cannot be changed; create another endpoint");
        }
        let changes = self.read(&mut findings);
        findings.finish(Some(changes))
    }

    fn read(self, findings: &mut Findings) -> Changes {
        Changes {
            name: self.name.map(Option::unwrap_or_default),
            description: self.description,
            config: self.config.map(Option::unwrap_or_default),
            subscriptions: self
                .subscriptions
                .map(|list| read_subscriptions(list.unwrap_or_default(), findings)),
            retry: self
                .retry
                .map(|retry| retry.map(|Object(retry)| retry).unwrap_or_default().policy(findings)),
            rate_limit: self.rate_limit.map(|limit| {
                limit.map(|Object(limit)| limit).unwrap_or_default().limit("rate_limit", findings)
            }),
            timeout: self.timeout_seconds.and_then(|number| match number {
                None => Some(DEFAULT_TIMEOUT),
                Some(number) => findings.seconds("timeout_seconds", number),
            }),
            is_default: self.is_default.map(Option::unwrap_or_default),
            in_order: self.ordered.map(Option::unwrap_or_default),
            max_blocked: self
                .max_blocked_seconds
                .map(|number| number.and_then(|number| findings.seconds("max_blocked_seconds", number))),
            metadata: self.metadata.map(|metadata| metadata.unwrap_or_default().into_iter().collect()),
        }
    }
}

fn read_subscriptions(inputs: Vec<Object<SubscriptionInput>>, findings: &mut Findings) -> Vec<Subscription> {
    let mut subscriptions = Vec::with_capacity(inputs.len());
    for (index, Object(input)) in inputs.into_iter().enumerate() {
        let field = format!("subscriptions[{index}].event_type");
        let pattern = findings.required(&field, input.event_type.as_deref());
        let pattern = findings.read(&field, pattern, Pattern::from_str);
        let filter = input.filter.map(|json| Filter::parse(json.get())).transpose();
        let filter = filter.map_err(|error| {
            let problem = FieldProblem::new(error.path, error.message);
            let problem = problem.within(&format!("subscriptions[{index}].filter"));
            findings.add(problem.field, problem.message);
        });
        if let (Some(pattern), Ok(filter)) = (pattern, filter) {
            subscriptions.push(Subscription { pattern, filter });
        }
    }
    subscriptions
}

/// An endpoint.
#[derive(Serialize)]
pub(crate) struct EndpointBody<'a> {
    id: Shown<EndpointId>,
    name: &'a str,
    description: Option<&'a str>,
    channel: &'static str,
    config: &'a Value,
    subscriptions: Vec<SubscriptionBody<'a>>,
    retry: RetryBody,
    rate_limit: RateLimitBody,
    timeout_seconds: Number,
    default: bool,
    ordered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_blocked_seconds: Option<Number>,
    metadata: Entries<'a>,
    status: &'static str,
    status_reason: Option<&'a str>,
    created_at: Shown<Timestamp>,
    updated_at: Shown<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Shown<PublicKey>>,
}

#[derive(Serialize)]
struct SubscriptionBody<'a> {
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a RawValue>,
}

impl<'a> EndpointBody<'a> {
    pub(crate) fn new(record: &'a EndpointRecord) -> Self {
        let endpoint = &record.endpoint;
        let subscription = |subscription: &'a Subscription| SubscriptionBody {
            event_type: subscription.pattern.as_str(),
            // A filter's text was read as JSON before.
            filter: subscription.filter.as_ref().and_then(|f| serde_json::from_str(f.as_str()).ok()),
        };
        Self {
            id: Shown(endpoint.id),
            name: &endpoint.name,
            description: endpoint.description.as_deref(),
            channel: endpoint.channel.as_str(),
            config: &record.masked_config,
            subscriptions: endpoint.subscriptions.iter().map(subscription).collect(),
            retry: RetryBody::new(&endpoint.retry),
            rate_limit: RateLimitBody::new(&endpoint.rate_limit),
            timeout_seconds: Number::from(endpoint.timeout),
            default: endpoint.is_default,
            ordered: endpoint.in_order.is_some(),
            max_blocked_seconds: endpoint.in_order.map(|in_order| Number::from(in_order.max_blocked)),
            metadata: Entries(&endpoint.metadata),
            status: endpoint.status.as_str(),
            status_reason: endpoint.status_reason.as_deref(),
            created_at: Shown(endpoint.created_at),
            updated_at: Shown(endpoint.updated_at),
            secret: None,
            public_key: None,
        }
    }

    /// The same endpoint with its signing keys, which are shown when it is created.
    pub(crate) fn with_keys(record: &'a EndpointRecord, keys: &KeyRing) -> Self {
        let PresentKeys { secret, public_key } = PresentKeys::of(keys);
        Self { secret, public_key, ..Self::new(record) }
    }
}

/// Names and values as an object.
struct Entries<'a>(&'a [(String, String)]);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
