//! Deliveries as they are shown: in lists, and with their attempts.

use std::collections::BTreeMap;
use std::str::FromStr;

use postrider_domain::delivery::{RecordedHeader, ResponseRecord};
use postrider_domain::{Attempt, DeadLetterId, Delivery, DeliveryId, EndpointId, FieldProblem, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use super::{Findings, Shown};

/// A delivery without its attempts.
#[derive(Serialize)]
pub(crate) struct DeliverySummary<'a> {
    id: Shown<DeliveryId>,
    event_id: &'a str,
    event_type: &'a str,
    endpoint_id: Shown<EndpointId>,
    channel: &'static str,
    status: &'static str,
    attempt_count: u32,
    max_attempts: u32,
    next_attempt_at: Option<Shown<Timestamp>>,
    created_at: Shown<Timestamp>,
    delivered_at: Option<Shown<Timestamp>>,
    response_status: Option<u16>,
    error: Option<&'a str>,
}

impl<'a> DeliverySummary<'a> {
    pub(crate) fn new(delivery: &'a Delivery) -> Self {
        let response = delivery.attempts.last().and_then(|attempt| attempt.response.as_ref());
        Self {
            id: Shown(delivery.id),
            event_id: delivery.event_id.as_str(),
            event_type: delivery.event_type.as_str(),
            endpoint_id: Shown(delivery.endpoint()),
            channel: delivery.channel.as_str(),
            status: delivery.status.as_str(),
            attempt_count: delivery.attempt_count,
            max_attempts: delivery.max_attempts,
            next_attempt_at: delivery.next_attempt_at.map(Shown),
            created_at: Shown(delivery.created_at),
            delivered_at: delivery.delivered_at.map(Shown),
            response_status: response.map(|response| response.status),
            error: delivery.error.as_deref(),
        }
    }
}

/// A delivery with its attempts.
#[derive(Serialize)]
pub(crate) struct DeliveryBody<'a> {
    #[serde(flatten)]
    summary: DeliverySummary<'a>,
    dead_letter_id: Option<Shown<DeadLetterId>>,
    attempts: Vec<AttemptBody<'a>>,
}

impl<'a> DeliveryBody<'a> {
    pub(crate) fn new(delivery: &'a Delivery) -> Self {
        Self {
            summary: DeliverySummary::new(delivery),
            dead_letter_id: delivery.dead_letter.map(Shown),
            attempts: delivery.attempts.iter().map(AttemptBody::new).collect(),
        }
    }
}

/// One try of a delivery.
#[derive(Serialize)]
pub(crate) struct AttemptBody<'a> {
    number: u32,
    started_at: Shown<Timestamp>,
    duration_ms: u64,
    outcome: &'static str,
    request: RequestBody<'a>,
    response_status: Option<u16>,
    response_headers: Option<Headers<'a>>,
    response_body: Option<&'a str>,
    response_body_truncated: bool,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct RequestBody<'a> {
    method: &'a str,
    url: &'a str,
    headers: Headers<'a>,
}

impl<'a> AttemptBody<'a> {
    pub(crate) fn new(attempt: &'a Attempt) -> Self {
        let request = &attempt.request;
        let response: Option<&ResponseRecord> = attempt.response.as_ref();
        Self {
            number: attempt.number,
            started_at: Shown(attempt.started_at),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: attempt.outcome.as_str(),
            request: RequestBody {
                method: &request.method,
                url: &request.url,
                headers: Headers(&request.headers),
            },
            response_status: response.map(|response| response.status),
            response_headers: response.map(|response| Headers(&response.headers)),
            response_body: response.map(|response| &*response.body),
            response_body_truncated: response.is_some_and(|response| response.body_truncated),
            error: attempt.error.as_deref(),
        }
    }
}

/// Headers as an object; the values of one that was sent several times are joined, as RFC 9110 allows.
struct Headers<'a>(&'a [RecordedHeader]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in self.0 {
            let joined = headers.entry(name).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(value);
        }
        serializer.collect_map(headers)
    }
}

/// Where a delivery is to be made again: at its own endpoint, or at another.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryInput {
    to_endpoint: Option<String>,
}

impl RetryInput {
    pub(crate) fn read(self) -> Result<Option<EndpointId>, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let to = findings.read("to_endpoint", self.to_endpoint.as_deref(), EndpointId::from_str);
        findings.finish(Some(to))
    }
}
