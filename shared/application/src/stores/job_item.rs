//! The form of a job in the table.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use postrider_domain::job::{Counts, Rate, Redrive, Replay, ReplayScope, Task};
use postrider_domain::{Job, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::invalid;
use crate::ports::table::{TableError, TableName};

pub(super) const TABLE: TableName = TableName::Ledger;

/// How long a job is kept after it ended.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}#J")
}

#[derive(Serialize, Deserialize)]
pub(super) struct JobItem {
    pk: String,
    sk: String,
    task: TaskForm,
    rate: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    state: String,
    sent: u64,
    failed: u64,
    skipped: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    portion: u64,
    not_before: u64,
    created_at: u64,
    created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL: a job that has not ended stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskForm {
    Redrive(RedriveForm),
    ReplayEvent(EventForm),
    ReplayEndpoint(ScopeForm),
}

#[derive(Serialize, Deserialize)]
struct RedriveForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct EventForm {
    event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoints: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct ScopeForm {
    endpoint: String,
    since: u64,
    until: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to_endpoint: Option<String>,
}

/// Reads a text.
fn parsed<T: FromStr>(text: &str) -> Result<T, TableError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| invalid(TABLE, error))
}

/// Reads a text that may be missing.
fn optional<T: FromStr>(text: Option<&str>) -> Result<Option<T>, TableError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.map(parsed).transpose()
}

/// Reads several texts.
fn several<T: FromStr>(texts: &[String]) -> Result<Vec<T>, TableError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    texts.iter().map(|text| parsed(text)).collect()
}

impl TaskForm {
    fn write(task: &Task) -> Self {
        match task {
            Task::Redrive(redrive) => Self::Redrive(RedriveForm {
                endpoint: redrive.endpoint.map(|id| id.to_string()),
                event_type: redrive.event_type.as_ref().map(ToString::to_string),
                reason: redrive.reason.map(|reason| reason.as_str().to_owned()),
                since: redrive.since.map(Timestamp::as_millis),
                until: redrive.until.map(Timestamp::as_millis),
            }),
            Task::Replay(Replay::Event { event, endpoints }) => Self::ReplayEvent(EventForm {
                event: event.to_string(),
                endpoints: endpoints.as_ref().map(|ids| ids.iter().map(ToString::to_string).collect()),
            }),
            Task::Replay(Replay::Endpoint(scope)) => Self::ReplayEndpoint(ScopeForm {
                endpoint: scope.endpoint.to_string(),
                since: scope.since.as_millis(),
                until: scope.until.as_millis(),
                status: scope.status.map(|status| status.to_string()),
                event_types: scope.event_types.iter().map(ToString::to_string).collect(),
                to_endpoint: scope.to_endpoint.map(|id| id.to_string()),
            }),
        }
    }

    fn read(&self) -> Result<Task, TableError> {
        Ok(match self {
            Self::Redrive(form) => Task::Redrive(Redrive {
                endpoint: optional(form.endpoint.as_deref())?,
                event_type: optional(form.event_type.as_deref())?,
                reason: optional(form.reason.as_deref())?,
                since: form.since.map(Timestamp::from_millis),
                until: form.until.map(Timestamp::from_millis),
            }),
            Self::ReplayEvent(form) => Task::Replay(Replay::Event {
                event: parsed(&form.event)?,
                endpoints: form.endpoints.as_deref().map(several).transpose()?,
            }),
            Self::ReplayEndpoint(form) => Task::Replay(Replay::Endpoint(ReplayScope {
                endpoint: parsed(&form.endpoint)?,
                since: Timestamp::from_millis(form.since),
                until: Timestamp::from_millis(form.until),
                status: optional(form.status.as_deref())?,
                event_types: several(&form.event_types)?,
                to_endpoint: optional(form.to_endpoint.as_deref())?,
            })),
        })
    }
}

impl JobItem {
    pub(super) fn write(job: &Job) -> Self {
        let counts = &job.counts;
        Self {
            pk: partition(&job.tenant),
            sk: job.id.to_string(),
            task: TaskForm::write(&job.task),
            rate: job.rate.per_second(),
            note: job.note.clone(),
            state: job.state.to_string(),
            sent: counts.sent,
            failed: counts.failed,
            skipped: counts.skipped.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
            cursor: job.cursor.clone(),
            portion: job.portion,
            not_before: job.not_before.as_millis(),
            created_at: job.created_at.as_millis(),
            created_by: job.created_by.clone(),
            started_at: job.started_at.map(Timestamp::as_millis),
            ended_at: job.ended_at.map(Timestamp::as_millis),
            error: job.error.clone(),
            version: job.version,
            expires_at: job.ended_at.map(|at| at.after(RETENTION).as_seconds()),
        }
    }

    pub(super) fn read(self, tenant: &TenantId) -> Result<Job, TableError> {
        let skipped = self.skipped.iter().map(|(reason, count)| Ok((parsed(reason)?, *count)));
        Ok(Job {
            id: parsed(&self.sk)?,
            tenant: tenant.clone(),
            task: self.task.read()?,
            rate: Rate::new(self.rate).map_err(|error| invalid(TABLE, error))?,
            note: self.note,
            state: parsed(&self.state)?,
            counts: Counts {
                sent: self.sent,
                failed: self.failed,
                skipped: skipped.collect::<Result<_, TableError>>()?,
            },
            cursor: self.cursor,
            portion: self.portion,
            not_before: Timestamp::from_millis(self.not_before),
            created_at: Timestamp::from_millis(self.created_at),
            created_by: self.created_by,
            started_at: self.started_at.map(Timestamp::from_millis),
            ended_at: self.ended_at.map(Timestamp::from_millis),
            error: self.error,
            version: self.version,
        })
    }
}
