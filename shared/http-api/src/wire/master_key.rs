//! The master keys by their ids, and the run that seals everything again.

use postrider_application::reseal::KeyStatus;
use postrider_application::sealing::SealKeyId;
use postrider_application::stores::reseals::{ResealFailure, ResealJob};
use postrider_domain::{EndpointId, Timestamp};
use serde::Serialize;

use super::Shown;

/// What the operator sees.
#[derive(Serialize)]
pub(crate) struct MasterKeyBody<'a> {
    current_key: Shown<SealKeyId>,
    older_keys: Vec<Shown<SealKeyId>>,
    #[serde(flatten)]
    job: Option<JobBody<'a>>,
    status: &'static str,
}

#[derive(Serialize)]
struct JobBody<'a> {
    key: &'a str,
    started_at: Shown<Timestamp>,
    begins_at: Shown<Timestamp>,
    finished_at: Option<Shown<Timestamp>>,
    examined: u64,
    resealed: u64,
    failed: u64,
    failures: Vec<FailureBody<'a>>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    tenant_id: &'a str,
    endpoint_id: Shown<EndpointId>,
    reason: &'a str,
}

impl<'a> MasterKeyBody<'a> {
    pub(crate) fn new(status: &'a KeyStatus, now: Timestamp) -> Self {
        Self {
            current_key: Shown(status.current),
            older_keys: status.older.iter().copied().map(Shown).collect(),
            job: status.job.as_ref().map(JobBody::new),
            status: status.word(now),
        }
    }
}

impl<'a> JobBody<'a> {
    fn new(job: &'a ResealJob) -> Self {
        let failure = |failure: &'a ResealFailure| FailureBody {
            tenant_id: failure.tenant.as_str(),
            endpoint_id: Shown(failure.endpoint),
            reason: &failure.reason,
        };
        Self {
            key: &job.key_id,
            started_at: Shown(job.started_at),
            begins_at: Shown(job.begins_at),
            finished_at: job.finished_at.map(Shown),
            examined: job.examined,
            resealed: job.resealed,
            failed: job.failed,
            failures: job.failures.iter().map(failure).collect(),
        }
    }
}
