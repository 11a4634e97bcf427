//! The work of sealing everything again after another master key was set: how far it has come.

use std::sync::Arc;

use postrider_domain::{EndpointId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode, invalid};
use crate::ports::table::{Expression, Key, Put, Table, TableError, TableName};

const TABLE: TableName = TableName::Config;
const PARTITION: &str = "MASTER-KEY";
const RANGE: &str = "RESEAL";

/// How many endpoints that cannot be opened are named.
pub const MAX_NAMED_FAILURES: usize = 20;

/// One run through all endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResealJob {
    /// The key under which everything is when it is over, as [`crate::sealing::SealKeyId`] writes it.
    pub key_id: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When nobody can seal with a former key any more, so that it can begin.
    pub begins_at: Timestamp,
    /// The last tenant that is done with all its endpoints.
    pub after_tenant: Option<TenantId>,
    /// The last endpoint that is done, of the tenant that comes next.
    pub after_endpoint: Option<(TenantId, EndpointId)>,
    /// How many endpoints were looked at.
    pub examined: u64,
    /// How many were sealed again.
    pub resealed: u64,
    /// How many could not be opened.
    pub failed: u64,
    /// Those that could not be opened, the first ones.
    pub failures: Vec<ResealFailure>,
    /// When all endpoints had been looked at.
    pub finished_at: Option<Timestamp>,
    /// Counts writes, from 1.
    pub version: u64,
}

/// An endpoint whose secrets no key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResealFailure {
    /// Its tenant.
    pub tenant: TenantId,
    /// Which one.
    pub endpoint: EndpointId,
    /// Why, in plain words.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct ResealItem {
    pk: String,
    sk: String,
    key_id: String,
    started_at: u64,
    begins_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_endpoint: Option<(String, String)>,
    examined: u64,
    resealed: u64,
    failed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<(String, String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<u64>,
    version: u64,
}

impl ResealItem {
    fn write(job: &ResealJob) -> Self {
        let failure = |failure: &ResealFailure| {
            (failure.tenant.to_string(), failure.endpoint.to_string(), failure.reason.clone())
        };
        Self {
            pk: PARTITION.to_owned(),
            sk: RANGE.to_owned(),
            key_id: job.key_id.clone(),
            started_at: job.started_at.as_millis(),
            begins_at: job.begins_at.as_millis(),
            after_tenant: job.after_tenant.as_ref().map(TenantId::to_string),
            after_endpoint: job
                .after_endpoint
                .as_ref()
                .map(|(tenant, id)| (tenant.to_string(), id.to_string())),
            examined: job.examined,
            resealed: job.resealed,
            failed: job.failed,
            failures: job.failures.iter().map(failure).collect(),
            finished_at: job.finished_at.map(Timestamp::as_millis),
            version: job.version,
        }
    }

    fn read(self) -> Result<ResealJob, TableError> {
        let tenant = |text: &str| text.parse::<TenantId>().map_err(|error| invalid(TABLE, error));
        let endpoint = |text: &str| text.parse::<EndpointId>().map_err(|error| invalid(TABLE, error));
        let failures: Result<_, TableError> = self
            .failures
            .into_iter()
            .map(|(owner, id, reason)| {
                Ok(ResealFailure { tenant: tenant(&owner)?, endpoint: endpoint(&id)?, reason })
            })
            .collect();
        let after_endpoint = self.after_endpoint.map(|(owner, id)| Ok((tenant(&owner)?, endpoint(&id)?)));
        Ok(ResealJob {
            key_id: self.key_id,
            started_at: Timestamp::from_millis(self.started_at),
            begins_at: Timestamp::from_millis(self.begins_at),
            after_tenant: self.after_tenant.as_deref().map(tenant).transpose()?,
            after_endpoint: after_endpoint.transpose()?,
            examined: self.examined,
            resealed: self.resealed,
            failed: self.failed,
            failures: failures?,
            finished_at: self.finished_at.map(Timestamp::from_millis),
            version: self.version,
        })
    }
}

/// The one job that is under way, or was the last.
#[derive(Clone)]
pub struct ResealJobs(Arc<dyn Table>);

impl ResealJobs {
    /// The job in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// The job, if there was ever one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self) -> Result<Option<ResealJob>, TableError> {
        let item = self.0.get(TABLE, Key::new(PARTITION, RANGE), true).await?;
        item.map(|item| decode::<ResealItem>(TABLE, item)?.read()).transpose()
    }

    /// Writes a job over the one of the version before; a job of version 1 over none.
    ///
    /// # Errors
    /// [`TableError::ConditionFailed`] when somebody else was faster.
    pub async fn put(&self, job: &ResealJob) -> Result<(), TableError> {
        let condition = match job.version {
            0 | 1 => Expression::new("attribute_not_exists(pk)"),
            version => Expression::new("version = :before").number_value(":before", version - 1),
        };
        let item = encode(TABLE, &ResealItem::write(job))?;
        self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await
    }
}
