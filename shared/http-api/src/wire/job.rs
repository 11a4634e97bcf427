//! Jobs as they are asked for and as they are shown.

use std::collections::BTreeMap;

use postrider_application::jobs::{Estimate, JobRequest};
use postrider_domain::id::Ulid;
use postrider_domain::job::{Rate, Redrive, Replay, ReplayScope, Task};
use postrider_domain::{EndpointId, Job, JobId, Timestamp};
use serde::Serialize;

use super::redrive::check_note;
use super::{Findings, Number, Shown};

/// A job, or only how much it would be.
pub(crate) struct JobOrder {
    pub(crate) request: JobRequest,
    pub(crate) is_dry_run: bool,
}

/// Reads what every job has; `None` when something of it is wrong.
pub(crate) fn order(
    findings: &mut Findings,
    task: Task,
    rate: Option<Number>,
    dry_run: Option<bool>,
    note: Option<String>,
) -> Option<JobOrder> {
    check_note(findings, note.as_deref());
    let rate = match rate {
        None => Some(Rate::default()),
        Some(rate) => {
            let rate = findings.whole("rate", rate)?;
            Rate::new(rate).map_err(|error| findings.add("rate", error)).ok()
        }
    };
    let request = JobRequest { task, rate: rate?, note };
    Some(JobOrder { request, is_dry_run: dry_run.unwrap_or(false) })
}

/// How much a job would be.
#[derive(Serialize)]
pub(crate) struct EstimateBody {
    matched: u64,
    /// Whether there may be more.
    at_least: bool,
}

impl From<Estimate> for EstimateBody {
    fn from(estimate: Estimate) -> Self {
        Self { matched: estimate.matched, at_least: estimate.is_lower_bound }
    }
}

/// A job with its progress.
#[derive(Serialize)]
pub(crate) struct JobBody<'a> {
    id: Shown<JobId>,
    kind: &'static str,
    state: &'static str,
    filter: FilterBody<'a>,
    rate: u32,
    note: Option<&'a str>,
    counts: CountsBody,
    position: Option<Shown<Timestamp>>,
    created_at: Shown<Timestamp>,
    created_by: &'a str,
    started_at: Option<Shown<Timestamp>>,
    ended_at: Option<Shown<Timestamp>>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct CountsBody {
    matched: u64,
    sent: u64,
    skipped: u64,
    failed: u64,
    skipped_because: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FilterBody<'a> {
    Redrive(RedriveBody<'a>),
    Event { event_id: &'a str, endpoints: Option<Vec<Shown<EndpointId>>> },
    Endpoint(ScopeBody<'a>),
}

#[derive(Serialize)]
struct RedriveBody<'a> {
    endpoint_id: Option<Shown<EndpointId>>,
    event_type: Option<&'a str>,
    reason: Option<&'static str>,
    since: Option<Shown<Timestamp>>,
    until: Option<Shown<Timestamp>>,
}

#[derive(Serialize)]
struct ScopeBody<'a> {
    endpoint_id: Shown<EndpointId>,
    since: Shown<Timestamp>,
    until: Shown<Timestamp>,
    status: Option<&'static str>,
    event_types: Vec<&'a str>,
    to_endpoint: Option<Shown<EndpointId>>,
}

impl<'a> JobBody<'a> {
    pub(crate) fn new(job: &'a Job) -> Self {
        let counts = &job.counts;
        let skipped = counts.skipped.iter().map(|(reason, count)| (reason.as_str(), *count));
        Self {
            id: Shown(job.id),
            kind: job.task.kind(),
            state: job.state.as_str(),
            filter: FilterBody::new(&job.task),
            rate: job.rate.per_second(),
            note: job.note.as_deref(),
            counts: CountsBody {
                matched: counts.matched(),
                sent: counts.sent,
                skipped: counts.skipped(),
                failed: counts.failed,
                skipped_because: skipped.collect(),
            },
            position: position(job).map(Shown),
            created_at: Shown(job.created_at),
            created_by: &job.created_by,
            started_at: job.started_at.map(Shown),
            ended_at: job.ended_at.map(Shown),
            error: job.error.as_deref(),
        }
    }
}

/// The moment that a job has come to in the range of time that it works through.
fn position(job: &Job) -> Option<Timestamp> {
    if matches!(job.task, Task::Replay(Replay::Event { .. })) {
        return None;
    }
    let place = job.cursor.as_deref()?;
    let ulid = Ulid::from_string(place.strip_prefix("dl_").unwrap_or(place)).ok()?;
    Some(Timestamp::from_millis(ulid.timestamp_ms()))
}

impl<'a> FilterBody<'a> {
    fn new(task: &'a Task) -> Self {
        match task {
            Task::Redrive(redrive) => Self::Redrive(RedriveBody::new(redrive)),
            Task::Replay(Replay::Event { event, endpoints }) => Self::Event {
                event_id: event.as_str(),
                endpoints: endpoints.as_ref().map(|ids| ids.iter().copied().map(Shown).collect()),
            },
            Task::Replay(Replay::Endpoint(scope)) => Self::Endpoint(ScopeBody::new(scope)),
        }
    }
}

impl<'a> RedriveBody<'a> {
    fn new(redrive: &'a Redrive) -> Self {
        Self {
            endpoint_id: redrive.endpoint.map(Shown),
            event_type: redrive.event_type.as_ref().map(|event_type| event_type.as_str()),
            reason: redrive.reason.map(|reason| reason.as_str()),
            since: redrive.since.map(Shown),
            until: redrive.until.map(Shown),
        }
    }
}

impl<'a> ScopeBody<'a> {
    fn new(scope: &'a ReplayScope) -> Self {
        Self {
            endpoint_id: Shown(scope.endpoint),
            since: Shown(scope.since),
            until: Shown(scope.until),
            status: scope.status.map(|status| status.as_str()),
            event_types: scope.event_types.iter().map(|pattern| pattern.as_str()).collect(),
            to_endpoint: scope.to_endpoint.map(Shown),
        }
    }
}
