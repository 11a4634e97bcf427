//! Dead letters as they are shown: in lists, and with their attempts and history.

use postrider_application::stores::dead_letters::DeadLetter;
use postrider_application::stores::unreadable::UnreadableMessage;
use postrider_domain::{DeadLetterId, Delivery, DeliveryId, EndpointId, JobId, Timestamp};
use serde::Serialize;

use super::Shown;
use super::delivery::AttemptBody;

/// A dead letter.
#[derive(Serialize)]
pub(crate) struct DeadLetterBody<'a> {
    id: Shown<DeadLetterId>,
    state: &'static str,
    reason: &'static str,
    event_id: Option<&'a str>,
    event_type: Option<&'a str>,
    delivery_id: Option<Shown<DeliveryId>>,
    endpoint_id: Option<Shown<EndpointId>>,
    error: Option<&'a str>,
    attempt_count: u32,
    created_at: Shown<Timestamp>,
    handled_at: Option<Shown<Timestamp>>,
    handled_by: Option<&'a str>,
    note: Option<&'a str>,
    job_id: Option<Shown<JobId>>,
}

impl<'a> DeadLetterBody<'a> {
    pub(crate) fn new(letter: &'a DeadLetter) -> Self {
        let handled = letter.handled.as_ref();
        Self {
            id: Shown(letter.id),
            state: letter.state.as_str(),
            reason: letter.reason.as_str(),
            event_id: letter.event_id.as_ref().map(|id| id.as_str()),
            event_type: letter.event_type.as_ref().map(|event_type| event_type.as_str()),
            delivery_id: letter.delivery.map(Shown),
            endpoint_id: letter.delivery.map(|delivery| Shown(delivery.endpoint())),
            error: letter.error.as_deref(),
            attempt_count: letter.attempt_count,
            created_at: Shown(letter.created_at),
            handled_at: handled.map(|handled| Shown(handled.at)),
            handled_by: handled.map(|handled| &*handled.by),
            note: handled.and_then(|handled| handled.note.as_deref()),
            job_id: handled.and_then(|handled| handled.job).map(Shown),
        }
    }
}

/// A dead letter with its attempts and what was done about it.
#[derive(Serialize)]
pub(crate) struct DeadLetterDetails<'a> {
    #[serde(flatten)]
    summary: DeadLetterBody<'a>,
    attempts: Vec<AttemptBody<'a>>,
    history: Vec<HistoryBody<'a>>,
    message: Option<&'a str>,
}

/// What a dead letter became, and by whom.
#[derive(Serialize)]
struct HistoryBody<'a> {
    state: &'static str,
    at: Shown<Timestamp>,
    by: Option<&'a str>,
    note: Option<&'a str>,
    job_id: Option<Shown<JobId>>,
}

impl<'a> DeadLetterDetails<'a> {
    /// A dead letter with the attempts that led to it, and the message that cannot be read if that may be shown.
    pub(crate) fn new(letter: &'a DeadLetter, delivery: Option<&'a Delivery>, shows_message: bool) -> Self {
        let attempts = delivery.into_iter().flat_map(|delivery| &delivery.attempts);
        let attempts = attempts.filter(|attempt| attempt.number <= letter.attempt_count);
        let begun = HistoryBody {
            state: "pending",
            at: Shown(letter.created_at),
            by: None,
            note: None,
            job_id: None,
        };
        let handled = letter.handled.as_ref().map(|handled| HistoryBody {
            state: letter.state.as_str(),
            at: Shown(handled.at),
            by: Some(&handled.by),
            note: handled.note.as_deref(),
            job_id: handled.job.map(Shown),
        });
        Self {
            summary: DeadLetterBody::new(letter),
            attempts: attempts.map(AttemptBody::new).collect(),
            history: [begun].into_iter().chain(handled).collect(),
            message: letter.message.as_deref().filter(|_| shows_message),
        }
    }
}

/// A message of which nobody knows whose it is.
#[derive(Serialize)]
pub(crate) struct UnreadableBody<'a> {
    id: Shown<DeadLetterId>,
    error: &'a str,
    message: &'a str,
    created_at: Shown<Timestamp>,
}

impl<'a> UnreadableBody<'a> {
    pub(crate) fn new(message: &'a UnreadableMessage) -> Self {
        Self {
            id: Shown(message.id),
            error: &message.error,
            message: &message.message,
            created_at: Shown(message.created_at),
        }
    }
}
