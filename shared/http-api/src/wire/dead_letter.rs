//! Dead letters as they are shown, and redriving them.

use std::str::FromStr;

use postrider_application::redeliver::{MAX_REDRIVE, Selection};
use postrider_application::stores::dead_letters::DeadLetter;
use postrider_domain::{DeadLetterId, DeliveryId, EndpointId, FieldProblem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, Number, Shown};

/// The longest note in bytes.
const MAX_NOTE_BYTES: usize = 1024;

/// A dead letter.
#[derive(Serialize)]
pub(crate) struct DeadLetterBody<'a> {
    id: Shown<DeadLetterId>,
    state: &'static str,
    reason: &'static str,
    event_id: &'a str,
    event_type: &'a str,
    delivery_id: Option<Shown<DeliveryId>>,
    endpoint_id: Option<Shown<EndpointId>>,
    error: Option<&'a str>,
    attempt_count: u32,
    created_at: Shown<Timestamp>,
    handled_at: Option<Shown<Timestamp>>,
    handled_by: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> DeadLetterBody<'a> {
    pub(crate) fn new(letter: &'a DeadLetter) -> Self {
        Self {
            id: Shown(letter.id),
            state: letter.state.as_str(),
            reason: letter.reason.as_str(),
            event_id: letter.event_id.as_str(),
            event_type: letter.event_type.as_str(),
            delivery_id: letter.delivery.map(Shown),
            endpoint_id: letter.delivery.map(|delivery| Shown(delivery.endpoint())),
            error: letter.error.as_deref(),
            attempt_count: letter.attempt_count,
            created_at: Shown(letter.created_at),
            handled_at: letter.handled.as_ref().map(|(at, _)| Shown(*at)),
            handled_by: letter.handled.as_ref().map(|(_, by)| &**by),
            note: letter.note.as_deref(),
        }
    }
}

/// Which dead letters to redrive: these, or the latest pending ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveInput {
    ids: Option<Vec<String>>,
    endpoint_id: Option<String>,
    limit: Option<Number>,
    note: Option<String>,
}

impl RedriveInput {
    pub(crate) fn selection(self) -> Result<(Selection, Option<String>), Vec<FieldProblem>> {
        let mut findings = Findings::default();
        if self.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
            findings.add("note", format!("at most {MAX_NOTE_BYTES} bytes"));
        }
        let endpoint = findings.read("endpoint_id", self.endpoint_id.as_deref(), EndpointId::from_str);
        let limit = self.limit.and_then(|limit| findings.whole("limit", limit));
        let limit = limit.map(|limit| limit as usize);
        if limit.is_some_and(|limit| !(1..=MAX_REDRIVE).contains(&limit)) {
            findings.add("limit", format!("1 to {MAX_REDRIVE}"));
        }
        let is_filtered = self.endpoint_id.is_some() || self.limit.is_some();
        let selection = match self.ids {
            Some(_) if is_filtered => {
                findings.add("ids", "give either ids, or endpoint_id and limit");
                None
            }
            Some(ids) => Some(Selection::Ids(read_ids(&ids, &mut findings))),
            None if is_filtered => Some(Selection::Pending { endpoint, limit: limit.unwrap_or(MAX_REDRIVE) }),
            None => {
                findings.add("ids", "give ids, or endpoint_id, or limit for the latest ones");
                None
            }
        };
        let note = self.note;
        findings.finish(selection.map(|selection| (selection, note)))
    }
}

fn read_ids(texts: &[String], findings: &mut Findings) -> Vec<DeadLetterId> {
    if !(1..=MAX_REDRIVE).contains(&texts.len()) {
        findings.add("ids", format!("1 to {MAX_REDRIVE} ids"));
        return Vec::new();
    }
    let read = |(index, text): (usize, &String)| match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            findings.add(format!("ids[{index}]"), error);
            None
        }
    };
    texts.iter().enumerate().filter_map(read).collect()
}

/// What a redrive came to.
#[derive(Serialize)]
pub(crate) struct RedriveBody {
    pub(crate) items: Vec<RedriveItem>,
    pub(crate) redriven: usize,
}

/// What became of one dead letter.
#[derive(Serialize)]
pub(crate) struct RedriveItem {
    id: Shown<DeadLetterId>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl RedriveItem {
    /// A dead letter that was redriven, or why it was not.
    pub(crate) fn new(id: DeadLetterId, error: Option<String>) -> Self {
        Self { id: Shown(id), status: if error.is_none() { "redriven" } else { "failed" }, error }
    }
}
