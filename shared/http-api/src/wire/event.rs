//! Events as they are shown.

use postrider_application::query::{ExplainedEvent, Explanation};
use postrider_application::stores::events::{EventSchedule, ScheduleState};
use postrider_domain::{EndpointId, Event, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Shown;
use super::delivery::DeliverySummary;

/// An event without its data.
#[derive(Serialize)]
pub(crate) struct EventSummary<'a> {
    id: &'a str,
    r#type: &'a str,
    accepted_at: Shown<Timestamp>,
    occurred_at: Option<Shown<Timestamp>>,
    source: Option<&'a str>,
    correlation_id: Option<&'a str>,
    tags: &'a [String],
    deliver_at: Option<Shown<Timestamp>>,
    priority: u8,
    /// `scheduled` and `cancelled` only for those with a moment of their own.
    status: &'static str,
}

impl<'a> EventSummary<'a> {
    pub(crate) fn new(event: &'a Event, schedule: Option<&EventSchedule>) -> Self {
        Self {
            id: event.id.as_str(),
            r#type: event.event_type.as_str(),
            accepted_at: Shown(event.accepted_at),
            occurred_at: event.occurred_at.map(Shown),
            source: event.source.as_deref(),
            correlation_id: event.correlation_id.as_deref(),
            tags: &event.tags,
            deliver_at: event.deliver_at.map(Shown),
            priority: event.priority.as_number(),
            status: match schedule.map(|schedule| schedule.state) {
                None | Some(ScheduleState::Begun) => "accepted",
                Some(ScheduleState::Waiting) => "scheduled",
                Some(ScheduleState::Cancelled) => "cancelled",
            },
        }
    }
}

/// The largest data in bytes that is shown with its event. In the answer of a Lambda function, which has at most
/// 6 MB, its text may be twice as long, and there are all endpoints beside it.
pub(crate) const MAX_SHOWN_DATA_BYTES: usize = 1024 * 1024;

/// An event with its data, and what became of it for every endpoint.
#[derive(Serialize)]
pub(crate) struct EventBody<'a> {
    #[serde(flatten)]
    event: EventSummary<'a>,
    data_bytes: usize,
    /// Where the data is by itself.
    data_url: String,
    /// Left out where it is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    endpoints: Vec<ExplanationBody<'a>>,
}

impl<'a> EventBody<'a> {
    /// # Errors
    /// When the data is not JSON, as it was when it came in.
    pub(crate) fn new(explained: &'a ExplainedEvent) -> Result<Self, serde_json::Error> {
        let (event, data) = (&explained.event, &explained.data);
        let is_shown = data.len() <= MAX_SHOWN_DATA_BYTES;
        Ok(Self {
            event: EventSummary::new(event, explained.schedule.as_ref()),
            data: is_shown.then(|| serde_json::from_slice(data)).transpose()?,
            data_bytes: data.len(),
            data_url: format!("/v1/events/{}/data", event.id.as_str()),
            endpoints: explained.endpoints.iter().map(ExplanationBody::new).collect(),
        })
    }
}

#[derive(Serialize)]
struct ExplanationBody<'a> {
    endpoint_id: Shown<EndpointId>,
    name: &'a str,
    status: &'static str,
    matched: bool,
    reason: &'a str,
    delivery: Option<DeliverySummary<'a>>,
}

impl<'a> ExplanationBody<'a> {
    fn new(explanation: &'a Explanation) -> Self {
        let (Ok(reason) | Err(reason)) = &explanation.matched;
        Self {
            endpoint_id: Shown(explanation.endpoint.id),
            name: &explanation.endpoint.name,
            status: explanation.endpoint.status.as_str(),
            matched: explanation.matched.is_ok(),
            reason,
            delivery: explanation.delivery.as_ref().map(DeliverySummary::new),
        }
    }
}
