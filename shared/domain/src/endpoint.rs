//! Endpoints: where a tenant's events go, without the channel's own configuration and secrets.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{
    ChannelKind, EndpointId, EventType, FieldProblem, InOrder, RateLimit, RetryPolicy, Subscription,
    TenantId, Timestamp,
};

/// The most subscriptions of one endpoint: replacing them all is one DynamoDB transaction of 100 actions.
pub const MAX_SUBSCRIPTIONS: usize = 40;

/// The time that a receiver has to answer, unless the endpoint says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time that a receiver can be given.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether deliveries to an endpoint are attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointStatus {
    /// Deliveries are attempted.
    Active,
    /// A person stopped it for a while; deliveries are parked.
    Paused,
    /// A person or the receiver (410) turned it off, or it did not work for days; deliveries are parked.
    Disabled,
}

/// The text names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint's status is active, paused or disabled")]
pub struct UnknownStatus;

impl EndpointStatus {
    /// The status as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for EndpointStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EndpointStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Active, Self::Paused, Self::Disabled]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// One destination of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Unique among all tenants.
    pub id: EndpointId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The kind of destination.
    pub channel: ChannelKind,
    /// Whether deliveries are attempted.
    pub status: EndpointStatus,
    /// Why it has this status, when something other than a person's request caused it.
    pub status_reason: Option<String>,
    /// Which events it asked for.
    pub subscriptions: Vec<Subscription>,
    /// Whether events for the tenant's default endpoints come here.
    pub is_default: bool,
    /// How failed attempts are repeated.
    pub retry: RetryPolicy,
    /// How often it is called.
    pub rate_limit: RateLimit,
    /// The time that the receiver has to answer.
    pub timeout: Duration,
    /// Whether its deliveries go one after the other.
    pub in_order: Option<InOrder>,
    /// Labels of the owner's choice, as JSON text of an object of strings.
    pub metadata: Vec<(String, String)>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts changes, from 1.
    pub version: u64,
}

impl Endpoint {
    /// The first reason why this endpoint would receive events of this type and data through a
    /// subscription, or why it would not.
    ///
    /// # Errors
    /// The reason why nothing matches, in plain words.
    pub fn explain_match(&self, event_type: &EventType, data: &str) -> Result<&Subscription, String> {
        let mut reason = format!("no subscription covers {event_type}");
        if event_type.is_reserved() && self.subscriptions.iter().any(|s| s.pattern.as_str() == "*") {
            reason.push_str(", which * does not: subscribe to postrider.*");
        }
        for subscription in self.subscriptions.iter().filter(|s| s.pattern.matches(event_type)) {
            match subscription.filter.as_ref().map(|filter| filter.explain(data)) {
                None | Some(Ok(())) => return Ok(subscription),
                Some(Err(mismatch)) => {
                    reason = format!("the filter of {} does not match: {mismatch}", subscription.pattern);
                }
            }
        }
        Err(reason)
    }

    /// Checks the fields whose types allow more than the rules do.
    ///
    /// # Errors
    /// One problem for each field out of its bounds.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if !(1..=128).contains(&self.name.len()) {
            problems.push(FieldProblem::new("name", "1 to 128 bytes"));
        }
        if self.description.as_ref().is_some_and(|text| text.len() > 1024) {
            problems.push(FieldProblem::new("description", "at most 1024 bytes"));
        }
        if self.subscriptions.len() > MAX_SUBSCRIPTIONS {
            problems.push(FieldProblem::new(
                "subscriptions",
                format!("at most {MAX_SUBSCRIPTIONS} subscriptions"),
            ));
        }
        if !(Duration::from_secs(1)..=MAX_TIMEOUT).contains(&self.timeout) {
            problems.push(FieldProblem::new("timeout_seconds", "1 to 30 seconds"));
        }
        problems.extend(self.in_order.and_then(|in_order| in_order.check().err()).unwrap_or_default());
        if self.metadata.len() > 20 {
            problems.push(FieldProblem::new("metadata", "at most 20 entries"));
        }
        for (name, value) in &self.metadata {
            if name.is_empty() || name.len() > 64 || value.len() > 256 {
                problems.push(FieldProblem::new(
                    format!("metadata.{name}"),
                    "a name of 1 to 64 bytes and a value of at most 256",
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
