//! Sealing everything again with the current master key, so that a former one can be removed.
//!
//! A run through all endpoints begins when nobody can seal with a former key any more: whoever seals remembers
//! the keys for a limited time. So what it has looked at stays under the current key, whatever is changed
//! meanwhile, and everything is when it is over. It goes on in small portions, and where the one before ended or
//! broke off.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use postrider_domain::{EndpointId, TenantId, Timestamp};

use crate::endpoints::Secrets;
use crate::ports::vault::KEYS_KNOWN_FOR;
use crate::ports::{Clock, Freshness, TableError, VaultError};
use crate::sealing::{OpenError, SealKeyId, Sealer, sealed_with};
use crate::stores::endpoint_item::EndpointRecord;
use crate::stores::reseals::{MAX_NAMED_FAILURES, ResealFailure, ResealJob, ResealJobs};
use crate::stores::{Endpoints, PageRequest, Tenants};

/// How long after a key was set something that was sealed with a former one may still be written: the time for
/// which keys are remembered, and a minute for the write itself.
pub const SETTLING: Duration = KEYS_KNOWN_FOR.saturating_add(Duration::from_secs(60));

/// How many endpoints are read at a time.
const PORTION: usize = 25;

/// How many of them are sealed at the same time.
const PARALLEL: usize = 8;

/// How many tenants are read at a time.
const TENANTS: usize = 100;

/// How often it is tried again when others change the same item at the same time.
const TRIES: usize = 5;

/// A portion broke off, or the state cannot be read. The next portion goes on.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The master keys cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An endpoint kept changing.
    #[error("the endpoint {0} kept changing while it was sealed again")]
    Contended(EndpointId),
}

/// What is known of the master keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// The key that seals.
    pub current: SealKeyId,
    /// The keys that only open.
    pub older: Vec<SealKeyId>,
    /// The run that is under way, or was the last.
    pub job: Option<ResealJob>,
}

impl KeyStatus {
    /// How far it is, in a word: `none`; `settling`, before it can begin; `running`; `done`, when everything is
    /// under the current key; `incomplete`, when something could not be opened; `outdated`, when everything is
    /// under a key that another one has replaced since.
    pub fn word(&self, now: Timestamp) -> &'static str {
        match &self.job {
            None => "none",
            Some(job) if job.finished_at.is_none() && now < job.begins_at => "settling",
            Some(job) if job.finished_at.is_none() => "running",
            Some(job) if job.key_id != self.current.to_string() => "outdated",
            Some(job) if job.failed > 0 => "incomplete",
            Some(_) => "done",
        }
    }
}

/// What a portion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Portion {
    /// How many endpoints it sealed again.
    pub resealed: u64,
    /// Whether that was the last of them.
    pub finished: bool,
}

/// What became of one endpoint.
enum Sealed {
    Again,
    BeforeOrGone,
    Not(ResealFailure),
}

/// Seals everything again.
#[derive(Clone)]
pub struct Reseal {
    endpoints: Endpoints,
    tenants: Tenants,
    jobs: ResealJobs,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

impl Reseal {
    /// A run over these stores.
    pub fn new(
        endpoints: Endpoints,
        tenants: Tenants,
        jobs: ResealJobs,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { endpoints, tenants, jobs, secrets, clock }
    }

    /// Asks for everything to be under the key that is the current one now. A run for this key that is under
    /// way goes on.
    ///
    /// # Errors
    /// When the master keys cannot be read or the table fails.
    pub async fn start(&self) -> Result<KeyStatus, ResealError> {
        let sealer = self.secrets.sealer(Freshness::New).await?;
        for _ in 0..TRIES {
            let before = self.jobs.get().await?;
            if let Some(job) = before.as_ref().filter(|job| is_for(job, &sealer) && job.finished_at.is_none())
            {
                return Ok(status(&sealer, Some(job.clone())));
            }
            let job = self.new_job(&sealer, before.map_or(0, |job| job.version));
            match self.jobs.put(&job).await {
                Ok(()) => return Ok(status(&sealer, Some(job))),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TableError::Conflict.into())
    }

    /// The keys, and how far the run is.
    ///
    /// # Errors
    /// When the master keys cannot be read or the table fails.
    pub async fn status(&self) -> Result<KeyStatus, ResealError> {
        Ok(status(&self.secrets.sealer(Freshness::New).await?, self.jobs.get().await?))
    }

    /// Goes on with the run that was asked for, until it is over or `time` is up. Does nothing when there is none
    /// or it cannot begin yet.
    ///
    /// # Errors
    /// When the master keys cannot be read or the table fails.
    pub async fn run(&self, time: Duration) -> Result<Portion, ResealError> {
        let begun = self.clock.now();
        let under_way = self.jobs.get().await?.filter(|job| job.finished_at.is_none());
        let Some(mut job) = under_way.filter(|job| job.begins_at <= begun) else {
            return Ok(Portion::default());
        };
        let sealer = self.secrets.sealer(Freshness::New).await?;
        if !is_for(&job, &sealer) {
            // Yet another key was set meanwhile: what is under the former one needs it as well.
            let job = self.new_job(&sealer, job.version);
            return self.save(&job).await.map(|_| Portion::default());
        }
        let before = job.resealed;
        let until = begun.after(time);
        while self.clock.now() < until && job.finished_at.is_none() {
            self.next_portion(&mut job, &sealer).await?;
            job.version += 1;
            if !self.save(&job).await? {
                break;
            }
        }
        Ok(Portion { resealed: job.resealed - before, finished: job.finished_at.is_some() })
    }

    fn new_job(&self, sealer: &Sealer, former_version: u64) -> ResealJob {
        let now = self.clock.now();
        ResealJob {
            key_id: sealer.current().to_string(),
            started_at: now,
            begins_at: now.after(SETTLING),
            after_tenant: None,
            after_endpoint: None,
            examined: 0,
            resealed: 0,
            failed: 0,
            failures: Vec::new(),
            finished_at: None,
            version: former_version + 1,
        }
    }

    /// Writes how far the run is. `false` when somebody else goes on with it.
    async fn save(&self, job: &ResealJob) -> Result<bool, ResealError> {
        match self.jobs.put(job).await {
            Ok(()) => Ok(true),
            Err(TableError::ConditionFailed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes through some endpoints of one tenant, or finds out that a number of tenants have none.
    async fn next_portion(&self, job: &mut ResealJob, sealer: &Sealer) -> Result<(), ResealError> {
        let after = job.after_tenant.as_ref().map(TenantId::to_string);
        let tenants = self.tenants.list(PageRequest { limit: TENANTS, after }).await?;
        for tenant in tenants.items {
            let after = job.after_endpoint.take().filter(|(of, _)| *of == tenant.id);
            let request = PageRequest { limit: PORTION, after: after.map(|(_, id)| id.to_string()) };
            let page = self.endpoints.list(&tenant.id, request).await?;
            let (found, last) = (!page.items.is_empty(), page.items.last().map(|record| record.endpoint.id));
            self.reseal_all(page.items, job, sealer).await?;
            if page.next.is_some() {
                job.after_endpoint = last.map(|id| (tenant.id.clone(), id));
                return Ok(());
            }
            job.after_tenant = Some(tenant.id);
            if found {
                return Ok(());
            }
        }
        if tenants.next.is_none() {
            job.finished_at = Some(self.clock.now());
        }
        Ok(())
    }

    async fn reseal_all(
        &self,
        records: Vec<EndpointRecord>,
        job: &mut ResealJob,
        sealer: &Sealer,
    ) -> Result<(), ResealError> {
        let results: Vec<_> = stream::iter(records)
            .map(|record| self.reseal(record, sealer))
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        for result in results {
            job.examined += 1;
            match result? {
                Sealed::Again => job.resealed += 1,
                Sealed::BeforeOrGone => {}
                Sealed::Not(failure) => {
                    job.failed += 1;
                    if job.failures.len() < MAX_NAMED_FAILURES {
                        job.failures.push(failure);
                    }
                }
            }
        }
        Ok(())
    }

    async fn reseal(&self, mut record: EndpointRecord, sealer: &Sealer) -> Result<Sealed, ResealError> {
        let (tenant, id) = (record.endpoint.tenant.clone(), record.endpoint.id);
        for _ in 0..TRIES {
            if sealed_with(&record.sealed) == Ok(sealer.current()) {
                return Ok(Sealed::BeforeOrGone);
            }
            let sealed = match self.secrets.reseal(&record, sealer) {
                Ok(sealed) => sealed,
                Err(error) => return Ok(Sealed::Not(failure(tenant, id, &error))),
            };
            match self.endpoints.reseal(&record, &sealed).await {
                Ok(()) => return Ok(Sealed::Again),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            match self.endpoints.get(&tenant, id).await? {
                Some(changed) => record = changed,
                None => return Ok(Sealed::BeforeOrGone),
            }
        }
        Err(ResealError::Contended(id))
    }
}

fn is_for(job: &ResealJob, sealer: &Sealer) -> bool {
    job.key_id == sealer.current().to_string()
}

fn status(sealer: &Sealer, job: Option<ResealJob>) -> KeyStatus {
    KeyStatus { current: sealer.current(), older: sealer.older(), job }
}

fn failure(tenant: TenantId, endpoint: EndpointId, error: &OpenError) -> ResealFailure {
    tracing::error!(tenant.id = %tenant, endpoint.id = %endpoint, %error, "an endpoint's secrets cannot be opened");
    ResealFailure { tenant, endpoint, reason: error.to_string() }
}
