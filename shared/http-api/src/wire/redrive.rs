//! What is asked for of dead letters, and what it came to.

use std::collections::BTreeMap;
use std::str::FromStr;

use postrider_application::redeliver::Settlement;
use postrider_domain::job::{Redrive, Task};
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, EndpointId, EventType, FieldProblem, Timestamp};
use serde::{Deserialize, Serialize};

use super::job::{JobOrder, order};
use super::{Findings, Number, Object, Shown};

/// The most dead letters that one request deals with at once.
const MAX_IDS: usize = 100;

/// The longest note in bytes.
const MAX_NOTE_BYTES: usize = 1024;

/// Checks a note.
pub(crate) fn check_note(findings: &mut Findings, note: Option<&str>) {
    if note.is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        findings.add("note", format!("at most {MAX_NOTE_BYTES} bytes"));
    }
}

/// A note, which may be missing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteInput {
    note: Option<String>,
}

impl NoteInput {
    pub(crate) fn read(self) -> Result<Option<String>, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        check_note(&mut findings, self.note.as_deref());
        findings.finish(Some(self.note))
    }
}

/// Dead letters that somebody has dealt with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleInput {
    ids: Option<Vec<String>>,
    note: Option<String>,
}

impl SettleInput {
    pub(crate) fn read(self) -> Result<(Vec<DeadLetterId>, Option<String>), Vec<FieldProblem>> {
        let mut findings = Findings::default();
        check_note(&mut findings, self.note.as_deref());
        let ids = findings.required("ids", self.ids).map(|ids| read_ids(&ids, &mut findings));
        findings.finish(ids.map(|ids| (ids, self.note)))
    }
}

fn read_ids(texts: &[String], findings: &mut Findings) -> Vec<DeadLetterId> {
    if !(1..=MAX_IDS).contains(&texts.len()) {
        findings.add("ids", format!("1 to {MAX_IDS} ids"));
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

/// Which dead letters to redrive: these at once, or those that a filter lets through, as a job.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveInput {
    ids: Option<Vec<String>>,
    filter: Option<Object<FilterInput>>,
    rate: Option<Number>,
    dry_run: Option<bool>,
    note: Option<String>,
}

/// What a redrive is to be.
pub(crate) enum RedriveOrder {
    /// Of these.
    These(SettleInput),
    /// Of those that a filter lets through.
    Job(JobOrder),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterInput {
    endpoint_id: Option<String>,
    event_type: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

impl RedriveInput {
    pub(crate) fn order(self) -> Result<RedriveOrder, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let Some(Object(filter)) = self.filter else {
            for (field, is_given) in [("rate", self.rate.is_some()), ("dry_run", self.dry_run.is_some())] {
                if is_given {
                    findings.add(field, "only together with filter");
                }
            }
            if self.ids.is_none() {
                findings.add("ids", "give ids, or filter, which may be {} for all that are pending");
            }
            let input = SettleInput { ids: self.ids, note: self.note };
            return findings.finish(Some(RedriveOrder::These(input)));
        };
        if self.ids.is_some() {
            findings.add("ids", "give either ids or filter");
        }
        let task = Task::Redrive(filter.read(&mut findings));
        let order = order(&mut findings, task, self.rate, self.dry_run, self.note);
        findings.finish(order.map(RedriveOrder::Job))
    }
}

impl FilterInput {
    fn read(&self, findings: &mut Findings) -> Redrive {
        let since = findings.read("filter.since", self.since.as_deref(), Timestamp::parse);
        let until = findings.read("filter.until", self.until.as_deref(), Timestamp::parse);
        if since.zip(until).is_some_and(|(since, until)| until <= since) {
            findings.add("filter.until", "later than since");
        }
        Redrive {
            endpoint: findings.read("filter.endpoint_id", self.endpoint_id.as_deref(), EndpointId::from_str),
            event_type: findings.read("filter.event_type", self.event_type.as_deref(), EventType::from_str),
            reason: findings.read("filter.reason", self.reason.as_deref(), FailureReason::from_str),
            since,
            until,
        }
    }
}

/// What dealing with several dead letters came to.
#[derive(Serialize)]
pub(crate) struct SettledBody {
    items: Vec<SettledItem>,
    /// How many were dealt with, under the name of what was done.
    #[serde(flatten)]
    count: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct SettledItem {
    id: Shown<DeadLetterId>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl SettledBody {
    /// Each dead letter, with why nothing was done about it if nothing was.
    pub(crate) fn new(settlement: Settlement, results: Vec<(DeadLetterId, Option<String>)>) -> Self {
        let done = settlement.state().as_str();
        let count = results.iter().filter(|(_, error)| error.is_none()).count();
        let item = |(id, error): (_, Option<String>)| {
            let status = if error.is_none() { done } else { "failed" };
            SettledItem { id: Shown(id), status, error }
        };
        Self { items: results.into_iter().map(item).collect(), count: BTreeMap::from([(done, count)]) }
    }
}
