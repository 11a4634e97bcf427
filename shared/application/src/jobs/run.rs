//! Moving a job on by one portion.

use std::time::Duration;

use postrider_domain::job::{Portion, Task};
use postrider_domain::{Job, JobState};

use crate::messages::JobMessage;
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{OutgoingMessage, Queue, QueueError, QueueName, TableError};
use crate::redeliver::Redeliver;
use crate::stores::Jobs;
use crate::stores::jobs::SavedJob;

/// A portion could not be done; its message comes again.
#[derive(Debug, thiserror::Error)]
pub enum RunJobError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What a portion came to.
pub(super) enum Done {
    /// It was done.
    Portion(Portion),
    /// The job cannot go on, for this reason.
    Impossible(String),
}

/// Does the portions of jobs.
#[derive(Clone)]
pub struct RunJobs {
    jobs: Jobs,
    redeliver: Redeliver,
}

impl RunJobs {
    /// A worker over these stores.
    pub fn new(jobs: Jobs, redeliver: Redeliver) -> Self {
        Self { jobs, redeliver }
    }

    /// Deals with one message, which was handed out for the `receive_count`th time.
    ///
    /// # Errors
    /// When a store or a queue fails.
    pub async fn handle(&self, message: &JobMessage, receive_count: u32) -> Result<(), RunJobError> {
        let (tenant, id) = (&message.tenant, message.job);
        let Some(job) = self.jobs.get(tenant, id).await? else { return Ok(()) };
        if !job.state.is_open() {
            return Ok(());
        }
        if message.portion != job.portion {
            // Whoever did this portion may have died before the next one's message was sent. A message that was
            // never handed out before is of another chain, which ends here.
            let is_latest = message.portion + 1 == job.portion;
            return if is_latest && receive_count > 1 { self.send_next(&job).await } else { Ok(()) };
        }
        if job.not_before > self.redeliver.clock.now() {
            return self.send_next(&job).await;
        }
        let done = match &job.task {
            Task::Redrive(redrive) => self.redeliver.redrive_portion(&job, redrive).await?,
            Task::Replay(replay) => self.redeliver.replay_portion(&job, replay).await?,
        };
        match self.record(job, &done).await? {
            Some(job) if job.state == JobState::Running => self.send_next(&job).await,
            _ => Ok(()),
        }
    }

    /// Puts a portion on record. Answers the job then, or `None` when another worker has recorded this portion.
    async fn record(&self, mut job: Job, done: &Done) -> Result<Option<Job>, RunJobError> {
        let portion = job.portion;
        loop {
            let now = self.redeliver.clock.now();
            match done {
                Done::Portion(portion) => job.advance(portion, now),
                Done::Impossible(error) if job.state.is_open() => job.fail(error, now),
                Done::Impossible(_) => {}
            }
            match self.jobs.save(&job).await? {
                SavedJob::Yes => {
                    log_portion(&job);
                    return Ok(Some(job));
                }
                // Somebody has called it off: what was done counts all the same.
                SavedJob::Changed(Some(current)) if current.portion == portion => job = *current,
                SavedJob::Changed(_) => return Ok(None),
            }
        }
    }

    async fn send_next(&self, job: &Job) -> Result<(), RunJobError> {
        let wait = job.not_before.since(self.redeliver.clock.now());
        Ok(send_portion(&*self.redeliver.queue, job, wait).await?)
    }
}

/// Sends the message of the portion that is next.
pub(super) async fn send_portion(queue: &dyn Queue, job: &Job, wait: Duration) -> Result<(), QueueError> {
    let portion = JobMessage::new(&job.tenant, job.id, job.portion);
    let message = OutgoingMessage::of(&job.tenant, portion, wait.min(MAX_DELAY));
    send_all(queue, QueueName::Events, vec![message]).await
}

fn log_portion(job: &Job) {
    tracing::info!(
        target: "job.advanced",
        {
            tenant.id = %job.tenant,
            job.id = %job.id,
            kind = job.task.kind(),
            state = %job.state,
            sent = job.counts.sent,
            skipped = job.counts.skipped(),
            failed = job.counts.failed,
        },
        "job advanced"
    );
}
