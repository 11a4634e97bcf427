//! Replays as they are asked for.

use std::str::FromStr;

use postrider_domain::job::{Replay, ReplayScope, Task};
use postrider_domain::{DeliveryStatus, EndpointId, EventId, FieldProblem, Pattern, Timestamp};
use serde::Deserialize;

use super::job::{JobOrder, order};
use super::{Findings, Number};

/// The most endpoints that one replay of an event can name.
const MAX_ENDPOINTS: usize = 100;

/// The most patterns of event types.
const MAX_EVENT_TYPES: usize = 20;

/// Where an event is to be delivered again.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayEventInput {
    endpoints: Option<Vec<String>>,
    rate: Option<Number>,
    dry_run: Option<bool>,
    note: Option<String>,
}

impl ReplayEventInput {
    pub(crate) fn order(self, event: EventId) -> Result<JobOrder, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        if self.endpoints.as_ref().is_some_and(|ids| !(1..=MAX_ENDPOINTS).contains(&ids.len())) {
            findings.add(
                "endpoints",
                format!("1 to {MAX_ENDPOINTS} ids; leave it out for all that had a delivery"),
            );
        }
        let read =
            |ids: Vec<String>| list(&mut findings, "endpoints", MAX_ENDPOINTS, &ids, EndpointId::from_str);
        let endpoints = self.endpoints.map(read);
        let task = Task::Replay(Replay::Event { event, endpoints });
        let order = order(&mut findings, task, self.rate, self.dry_run, self.note);
        findings.finish(order)
    }
}

/// Which deliveries of an endpoint are to be made again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayEndpointInput {
    since: Option<String>,
    until: Option<String>,
    status: Option<String>,
    event_types: Option<Vec<String>>,
    to_endpoint: Option<String>,
    rate: Option<Number>,
    dry_run: Option<bool>,
    note: Option<String>,
}

impl ReplayEndpointInput {
    pub(crate) fn order(self, endpoint: EndpointId) -> Result<JobOrder, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let since = findings.required("since", self.since.as_deref());
        let since = findings.read("since", since, Timestamp::parse);
        let until = findings.required("until", self.until.as_deref());
        let until = findings.read("until", until, Timestamp::parse);
        if since.zip(until).is_some_and(|(since, until)| until <= since) {
            findings.add("until", "later than since");
        }
        let status = findings.read("status", self.status.as_deref(), DeliveryStatus::from_str);
        let types = self.event_types.unwrap_or_default();
        if types.len() > MAX_EVENT_TYPES {
            findings.add("event_types", format!("at most {MAX_EVENT_TYPES} types or patterns"));
        }
        let event_types = list(&mut findings, "event_types", MAX_EVENT_TYPES, &types, Pattern::from_str);
        let to_endpoint = findings.read("to_endpoint", self.to_endpoint.as_deref(), EndpointId::from_str);
        let scope = ReplayScope {
            endpoint,
            since: since.unwrap_or_default(),
            until: until.unwrap_or_default(),
            status,
            event_types,
            to_endpoint: to_endpoint.filter(|to| *to != endpoint),
        };
        let task = Task::Replay(Replay::Endpoint(scope));
        let order = order(&mut findings, task, self.rate, self.dry_run, self.note);
        findings.finish(order)
    }
}

/// Reads the first `most` texts of a list.
fn list<T, E: std::fmt::Display>(
    findings: &mut Findings,
    field: &str,
    most: usize,
    texts: &[String],
    reader: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut values = Vec::new();
    for (index, text) in texts.iter().take(most).enumerate() {
        values.extend(findings.read(&format!("{field}[{index}]"), Some(text), &reader));
    }
    values
}
