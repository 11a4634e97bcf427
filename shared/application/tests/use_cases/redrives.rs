//! Redriving by a filter: a job with its portions, rate, cancelling and resuming.

use std::time::Duration;

use postrider_application::jobs::{JobRequest, ManageJobError};
use postrider_application::ports::{Clock, OutgoingMessage, QueueName};
use postrider_application::stores::dead_letters::DeadLetterState;
use postrider_domain::job::{JobStateError, Rate, Redrive, SkipReason, Task};
use postrider_domain::outcome::FailureReason;
use postrider_domain::{Job, JobState, Outcome};

use crate::poison::letters;
use crate::world::{WEBHOOK, World};

pub(crate) fn request(task: Task, rate: u32) -> JobRequest {
    JobRequest { task, rate: Rate::new(rate).unwrap(), note: Some("repaired".to_owned()) }
}

impl World {
    /// Events that their receiver refused, all at one endpoint.
    pub(crate) async fn dead(&self, count: usize) {
        for number in 0..count {
            self.clock.forward(Duration::from_millis(1));
            self.channel.answer(&[Outcome::Rejected]);
            self.publish(Some(&format!("e{number:03}")), "{}").await.unwrap();
        }
        self.settle().await;
        assert_eq!(self.channel.calls().len(), count);
    }

    pub(crate) async fn start(&self, task: Task, rate: u32) -> Job {
        self.manage_jobs.start(&self.tenant, request(task, rate), "key_x").await.unwrap()
    }

    pub(crate) async fn job(&self, job: &Job) -> Job {
        self.jobs.get(&self.tenant, job.id).await.unwrap().unwrap()
    }

    /// Deals with the next portion's message. Answers how many failed.
    pub(crate) async fn portion(&self) -> usize {
        let messages = self.queue.take(QueueName::Events);
        assert_eq!(messages.len(), 1, "one chain");
        self.clock.forward(messages[0].delay);
        self.deal(QueueName::Events, &messages, 1).await
    }

    /// How often the receiver was called with each event.
    pub(crate) fn most_calls(&self) -> usize {
        let calls = self.channel.calls();
        let count = |event| calls.iter().filter(|call| *call == event).count();
        calls.iter().map(count).max().unwrap_or(0)
    }
}

#[tokio::test]
async fn a_filter_says_which_dead_letters_are_redriven() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    let other = world.endpoint("*").await;
    for _ in 0..3 {
        world.channel.answer(&[Outcome::Rejected, Outcome::Rejected]);
        world.publish(None, "{}").await.unwrap();
        world.settle().await;
    }
    assert_eq!(letters(&world).await.len(), 6);
    let of_one = Redrive { endpoint: Some(endpoint), ..Redrive::default() };
    let estimate = world.manage_jobs.estimate(&world.tenant, &Task::Redrive(of_one.clone())).await.unwrap();
    assert_eq!((estimate.matched, estimate.is_lower_bound), (3, false));
    let none = Redrive { reason: Some(FailureReason::Gone), ..of_one.clone() };
    let estimate = world.manage_jobs.estimate(&world.tenant, &Task::Redrive(none)).await.unwrap();
    assert_eq!(estimate.matched, 0);
    let none = Redrive { event_type: Some("other".parse().unwrap()), ..of_one.clone() };
    let job = world.start(Task::Redrive(none), 100).await;
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!((job.state, job.counts.matched()), (JobState::Done, 0));

    let job = world.start(Task::Redrive(of_one), 100).await;
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!((job.state, job.counts.sent, job.counts.matched()), (JobState::Done, 3, 3));
    for letter in letters(&world).await {
        let is_others = letter.delivery.unwrap().endpoint() == other;
        let expected = if is_others { DeadLetterState::Pending } else { DeadLetterState::Redriven };
        assert_eq!(letter.state, expected);
        if let Some(handled) = letter.handled {
            assert_eq!(
                (&*handled.by, handled.note.as_deref(), handled.job),
                ("key_x", Some("repaired"), Some(job.id))
            );
        }
    }
    assert_eq!(world.channel.calls().len(), 9);
}

/// The moments at which the deliveries of a job begin, by its messages' delays on a clock that stands otherwise.
#[tokio::test]
async fn no_second_has_more_deliveries_than_the_rate_allows() {
    let world = World::new();
    world.endpoint("*").await;
    world.dead(37).await;
    let job = world.start(Task::Redrive(Redrive::default()), 3).await;
    let mut moments = Vec::new();
    for portion in [15, 15, 7] {
        assert_eq!(world.portion().await, 0);
        let now = world.clock.now();
        let messages = world.queue.take(WEBHOOK);
        assert_eq!(messages.len(), portion);
        moments.extend(messages.iter().map(|message| now.after(message.delay)));
    }
    moments.sort();
    for begin in &moments {
        let end = begin.after(Duration::from_secs(1));
        let count = moments.iter().filter(|at| *at >= begin && **at < end).count();
        assert!(count <= 4, "{count} within a second of {begin}; one more may be by rounding");
    }
    let lasted = moments.last().unwrap().since(moments[0]);
    assert_eq!(lasted, Duration::from_secs(12), "37 at 3 per second");
    assert_eq!(world.job(&job).await.state, JobState::Done);
}

#[tokio::test]
async fn a_job_is_called_off_between_two_portions() {
    let world = World::new();
    world.endpoint("*").await;
    world.dead(25).await;
    let job = world.start(Task::Redrive(Redrive::default()), 1).await;
    world.portion().await;
    assert_eq!((world.job(&job).await.state, world.job(&job).await.counts.sent), (JobState::Running, 10));
    let cancelled = world.manage_jobs.cancel(&world.tenant, job.id).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    world.settle().await;
    assert_eq!(world.job(&job).await.counts.sent, 10);
    assert_eq!(world.channel.calls().len(), 35);
    for refused in [
        world.manage_jobs.cancel(&world.tenant, job.id).await.unwrap_err(),
        world.manage_jobs.resume(&world.tenant, job.id).await.unwrap_err(),
    ] {
        assert!(matches!(
            refused,
            ManageJobError::State(JobStateError::NotCancellable(_) | JobStateError::Over(_))
        ));
    }
    // What was left is for another job.
    world.start(Task::Redrive(Redrive::default()), 100).await;
    world.settle().await;
    assert_eq!(world.channel.calls().len(), 50);
    assert_eq!(world.most_calls(), 2);
}

#[tokio::test]
async fn a_job_whose_message_is_lost_in_the_dead_letter_queue_is_resumed_where_it_stands() {
    let world = World::new();
    world.endpoint("*").await;
    world.dead(25).await;
    let job = world.start(Task::Redrive(Redrive::default()), 1).await;
    world.portion().await;
    let lost = world.queue.take(QueueName::Events);
    world.clock.forward(lost[0].delay);
    let refused = world.manage_jobs.resume(&world.tenant, job.id).await.unwrap_err();
    assert!(matches!(refused, ManageJobError::State(JobStateError::AtWork)), "{refused}");
    assert_eq!(world.deal(QueueName::EventsDead, &lost, 1).await, 0);
    let failed = world.job(&job).await;
    assert_eq!((failed.state, failed.counts.sent), (JobState::Failed, 10));
    assert!(failed.error.unwrap().contains("resumed"));
    world.manage_jobs.resume(&world.tenant, job.id).await.unwrap();
    // A leftover of before moves nothing.
    assert_eq!(world.deal(QueueName::Events, &lost, 1).await, 0);
    world.settle().await;
    let done = world.job(&job).await;
    assert_eq!((done.state, done.counts.sent, done.error), (JobState::Done, 25, None));
    assert_eq!((world.channel.calls().len(), world.most_calls()), (50, 2));
}

/// Two messages for one portion: SQS may hand out one twice, and a repetition may send another.
#[tokio::test]
async fn two_chains_become_one_and_are_no_faster() {
    let world = World::new();
    world.endpoint("*").await;
    world.dead(45).await;
    let job = world.start(Task::Redrive(Redrive::default()), 1).await;
    let mut sent = 0;
    for portion in 1..=5 {
        let mut messages = world.queue.take(QueueName::Events);
        assert_eq!(messages.len(), 1, "portion {portion}");
        world.clock.forward(messages[0].delay);
        let copies = [messages.remove(0), OutgoingMessage { ..world.copy_of_portion(&job, portion) }];
        if portion % 2 == 0 {
            // At the same time.
            assert_eq!(world.deal(QueueName::Events, &copies, 1).await, 0);
        } else {
            for copy in copies {
                assert_eq!(world.deal(QueueName::Events, &[copy], 1).await, 0);
            }
        }
        let after = world.job(&job).await;
        sent += if portion == 5 { 5 } else { 10 };
        assert_eq!((after.portion, after.counts.sent), (portion + 1, sent));
    }
    world.settle().await;
    assert_eq!(world.job(&job).await.state, JobState::Done);
    assert_eq!((world.channel.calls().len(), world.most_calls()), (90, 2));
}

impl World {
    fn copy_of_portion(&self, job: &Job, portion: u64) -> OutgoingMessage {
        use postrider_application::messages::JobMessage;
        OutgoingMessage::of(&self.tenant, JobMessage::new(&self.tenant, job.id, portion), Duration::ZERO)
    }
}

#[tokio::test]
async fn what_needs_no_redrive_is_skipped_with_the_reason() {
    let world = World::new();
    let endpoint = world.endpoint("*").await;
    world.dead(1).await;
    let gone = world.endpoint("*").await;
    world.channel.answer(&[Outcome::Delivered, Outcome::Rejected]);
    let second = world.publish(None, "{}").await.unwrap();
    world.settle_by(1).await;
    world.manage.delete(&world.tenant, gone).await.unwrap();
    let count = letters(&world).await.len();
    assert_eq!(count, 2);
    let job = world.start(Task::Redrive(Redrive::default()), 100).await;
    world.settle().await;
    let job = world.job(&job).await;
    let is_of = |id| world.delivery(&second, id);
    let expected = if is_of(gone).await.attempt_count == 1 {
        SkipReason::EndpointDeleted
    } else {
        SkipReason::Delivered
    };
    assert_eq!((job.counts.sent, job.counts.skipped.get(&expected)), (1, Some(&1)), "{:?}", job.counts);
    let _ = endpoint;
}
