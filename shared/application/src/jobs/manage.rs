//! Asking for jobs, calling them off, and letting stuck ones go on.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::job::{JobStateError, Rate, Redrive, Replay, ReplayScope, Task};
use postrider_domain::{DeliveryId, EndpointId, EventId, FieldProblem, Job, JobId, TenantId, Timestamp};

use super::redrive::filter;
use super::run::send_portion;
use crate::ports::{Entropy, QueueError, TableError};
use crate::redeliver::Redeliver;
use crate::stores::jobs::SavedJob;
use crate::stores::{Jobs, PageRequest};

/// How many rows a dry run looks at, at most.
const LOOKED_AT: u64 = 100_000;

/// How long a dry run takes, about: shorter than an HTTP function may.
const LOOKING: Duration = Duration::from_secs(8);

/// How many rows a dry run reads together.
const PAGE: usize = 1000;

/// How often a change is tried again when the job moves on at the same time.
const TRIES: usize = 5;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct JobRequest {
    /// What is to be done.
    pub task: Task,
    /// How fast, at most.
    pub rate: Rate,
    /// What the one who asks notes.
    pub note: Option<String>,
}

/// How much there would be to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// How many deliveries or dead letters are asked for.
    pub matched: u64,
    /// Whether there may be more, because not everything was looked at.
    pub is_lower_bound: bool,
}

/// A job cannot be started, called off or resumed.
#[derive(Debug, thiserror::Error)]
pub enum ManageJobError {
    /// There is no such event.
    #[error("there is no event {0}")]
    UnknownEvent(EventId),
    /// There is no such endpoint.
    #[error("there is no endpoint {0}")]
    UnknownEndpoint(EndpointId),
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// Fields name what is not there.
    #[error("the job is not valid")]
    Invalid(Vec<FieldProblem>),
    /// It is in another state than it would have to be.
    #[error(transparent)]
    State(#[from] JobStateError),
    /// It kept moving on.
    #[error("the job moved on at the same time; try again")]
    Contended,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Starts, calls off and resumes jobs.
#[derive(Clone)]
pub struct ManageJobs {
    jobs: Jobs,
    redeliver: Redeliver,
    entropy: Arc<dyn Entropy>,
}

impl ManageJobs {
    /// Jobs in these stores.
    pub fn new(jobs: Jobs, redeliver: Redeliver, entropy: Arc<dyn Entropy>) -> Self {
        Self { jobs, redeliver, entropy }
    }

    /// Starts a job. What happens after this moment is not part of it.
    ///
    /// # Errors
    /// When it names what is not there, or a store or the queue fails.
    pub async fn start(
        &self,
        tenant: &TenantId,
        request: JobRequest,
        by: &str,
    ) -> Result<Job, ManageJobError> {
        self.check(tenant, &request.task).await?;
        let now = self.redeliver.clock.now();
        let id = JobId::new(self.entropy.ulid(now));
        let task = until_now(request.task, now);
        let mut job = Job::new(id, tenant.clone(), task, request.rate, by, now);
        job.note = request.note;
        self.jobs.create(&job).await?;
        self.send(&mut job).await?;
        Ok(job)
    }

    /// Counts what a job would look at.
    ///
    /// # Errors
    /// When the task names what is not there, or a store fails.
    pub async fn estimate(&self, tenant: &TenantId, task: &Task) -> Result<Estimate, ManageJobError> {
        self.check(tenant, task).await?;
        Ok(match task {
            Task::Redrive(redrive) => self.count_dead_letters(tenant, redrive).await?,
            Task::Replay(Replay::Endpoint(scope)) => self.count_deliveries(tenant, scope).await?,
            Task::Replay(Replay::Event { endpoints: Some(named), .. }) => {
                Estimate { matched: named.len() as u64, is_lower_bound: false }
            }
            Task::Replay(Replay::Event { event, endpoints: None }) => {
                self.count_deliveries_of(tenant, event).await?
            }
        })
    }

    /// Calls a job off. The portion that is under way is still done.
    ///
    /// # Errors
    /// When there is no such job, it is over, or the table fails.
    pub async fn cancel(&self, tenant: &TenantId, id: JobId) -> Result<Job, ManageJobError> {
        self.change(tenant, id, Job::cancel).await
    }

    /// Lets a job go on that failed or shows no progress.
    ///
    /// # Errors
    /// When there is no such job, it is over or at work, or a store or the queue fails.
    pub async fn resume(&self, tenant: &TenantId, id: JobId) -> Result<Job, ManageJobError> {
        let mut job = self.change(tenant, id, Job::resume).await?;
        self.send(&mut job).await?;
        Ok(job)
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: impl Fn(&mut Job, Timestamp) -> Result<(), JobStateError>,
    ) -> Result<Job, ManageJobError> {
        for _ in 0..TRIES {
            let mut job = self.jobs.get(tenant, id).await?.ok_or(ManageJobError::UnknownJob(id))?;
            change(&mut job, self.redeliver.clock.now())?;
            if let SavedJob::Yes = self.jobs.save(&job).await? {
                job.version += 1;
                return Ok(job);
            }
        }
        Err(ManageJobError::Contended)
    }

    /// Sends the message that moves a job. A job without one says so itself.
    async fn send(&self, job: &mut Job) -> Result<(), ManageJobError> {
        let now = self.redeliver.clock.now();
        let Err(error) = send_portion(&*self.redeliver.queue, job, job.not_before.since(now)).await else {
            return Ok(());
        };
        job.fail("its message could not be sent; resume it", now);
        self.jobs.save(job).await?;
        Err(error.into())
    }

    async fn check(&self, tenant: &TenantId, task: &Task) -> Result<(), ManageJobError> {
        let exists =
            async |id| Ok::<_, TableError>(self.redeliver.endpoints.get(tenant, id).await?.is_some());
        match task {
            Task::Redrive(_) => {}
            Task::Replay(Replay::Event { event, endpoints }) => {
                if self.redeliver.events.get(tenant, event).await?.is_none() {
                    return Err(ManageJobError::UnknownEvent(event.clone()));
                }
                let named = endpoints.iter().flatten().copied();
                let found = self.redeliver.endpoints_of(tenant, named.clone()).await?;
                let unknown = named.enumerate().filter(|(_, id)| !found.contains_key(id));
                let problem = |(index, id)| {
                    FieldProblem::new(format!("endpoints[{index}]"), format!("there is no endpoint {id}"))
                };
                let problems: Vec<_> = unknown.map(problem).collect();
                if !problems.is_empty() {
                    return Err(ManageJobError::Invalid(problems));
                }
            }
            Task::Replay(Replay::Endpoint(scope)) => {
                if !exists(scope.endpoint).await? {
                    return Err(ManageJobError::UnknownEndpoint(scope.endpoint));
                }
                if let Some(to) = scope.to_endpoint
                    && !exists(to).await?
                {
                    let problem = FieldProblem::new("to_endpoint", format!("there is no endpoint {to}"));
                    return Err(ManageJobError::Invalid(vec![problem]));
                }
            }
        }
        Ok(())
    }

    async fn count_dead_letters(&self, tenant: &TenantId, redrive: &Redrive) -> Result<Estimate, TableError> {
        let (filter, mut budget, mut after) = (filter(redrive, None), self.budget(), None);
        loop {
            let page = PageRequest { limit: PAGE, after };
            let page = self.redeliver.dead_letters.list(tenant, &filter, page).await?;
            let count = page.items.len() as u64;
            // What the filter leaves out is looked at, too; how much that is, only the time tells.
            if let Some(estimate) = budget.spend(count, count, page.next.is_none()) {
                return Ok(estimate);
            }
            after = page.next;
        }
    }

    async fn count_deliveries(&self, tenant: &TenantId, scope: &ReplayScope) -> Result<Estimate, TableError> {
        let (mut budget, mut after) = (self.budget(), None::<String>);
        loop {
            let counted = self.redeliver.deliveries.count_range(tenant, scope, after.as_deref(), PAGE);
            let (count, next) = counted.await?;
            if let Some(estimate) = budget.spend(count.matched, count.looked_at, next.is_none()) {
                return Ok(estimate);
            }
            after = next;
        }
    }

    async fn count_deliveries_of(
        &self,
        tenant: &TenantId,
        event: &EventId,
    ) -> Result<Estimate, ManageJobError> {
        let stored = self.redeliver.events.get(tenant, event).await?;
        let event = stored.ok_or_else(|| ManageJobError::UnknownEvent(event.clone()))?.event;
        let (mut budget, mut after) = (self.budget(), None);
        loop {
            let page = self.redeliver.endpoints.list(tenant, PageRequest { limit: PAGE, after }).await?;
            let looked_at = page.items.len() as u64;
            let ids = page
                .items
                .iter()
                .map(|record| DeliveryId::derive(event.accepted_at, &event.id, record.endpoint.id));
            let found = self.redeliver.deliveries.get_many(tenant, ids).await?.len() as u64;
            if let Some(estimate) = budget.spend(found, looked_at, page.next.is_none()) {
                return Ok(estimate);
            }
            after = page.next;
        }
    }

    fn budget(&self) -> Budget<'_> {
        Budget { manage: self, begun: self.redeliver.clock.now(), matched: 0, looked_at: 0 }
    }
}

/// What a dry run may still spend.
struct Budget<'a> {
    manage: &'a ManageJobs,
    begun: Timestamp,
    matched: u64,
    looked_at: u64,
}

impl Budget<'_> {
    /// Counts a page. Answers the estimate when it was the last one, or the budget is spent.
    fn spend(&mut self, matched: u64, looked_at: u64, is_last: bool) -> Option<Estimate> {
        self.matched += matched;
        self.looked_at += looked_at;
        let time = self.manage.redeliver.clock.now().since(self.begun);
        let is_spent = self.looked_at >= LOOKED_AT || time >= LOOKING;
        (is_last || is_spent).then_some(Estimate { matched: self.matched, is_lower_bound: !is_last })
    }
}

/// The same task, without what happens after this moment: a job that ran into its own doings would never end.
fn until_now(task: Task, now: Timestamp) -> Task {
    let end = now.after(Duration::from_millis(1));
    match task {
        Task::Redrive(redrive) => Task::Redrive(Redrive {
            until: Some(redrive.until.map_or(end, |until| until.min(end))),
            ..redrive
        }),
        Task::Replay(Replay::Endpoint(scope)) => {
            Task::Replay(Replay::Endpoint(ReplayScope { until: scope.until.min(end), ..scope }))
        }
        Task::Replay(Replay::Event { event, endpoints }) => {
            let sorted = |mut ids: Vec<EndpointId>| {
                ids.sort_unstable();
                ids.dedup();
                ids
            };
            Task::Replay(Replay::Event { event, endpoints: endpoints.map(sorted) })
        }
    }
}
