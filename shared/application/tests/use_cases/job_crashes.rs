//! A worker of a job may die, or hear of an error, at any call of a portion: nothing is sent twice, nothing is left
//! out, and the counts are right.

use postrider_application::ports::QueueName;
use postrider_domain::job::{Redrive, Replay, ReplayScope, Task};
use postrider_domain::{DeliveryStatus, JobState, Timestamp};
use postrider_testkit::faults::Fault;

use crate::poison::letters;
use crate::world::{WEBHOOK, World};

/// How a delivery stands between the portion that broke off and its repetition.
#[derive(Clone, Copy)]
enum Meanwhile {
    /// The messages that were sent are still in their queue.
    Waiting,
    /// They were dealt with.
    Delivered,
}

/// Strikes every call of a job's second portion in turn. `prepare` answers what is to be done.
async fn strike_everywhere(task: impl AsyncFn(&World) -> (Task, usize), calls_each: usize) {
    for fault in Fault::ALL {
        for meanwhile in [Meanwhile::Waiting, Meanwhile::Delivered] {
            let mut call = 1;
            loop {
                let world = World::new();
                let (task, count) = task(&world).await;
                let before = world.channel.calls().len();
                let job = world.start(task, 1).await;
                world.portion().await;
                let second = world.queue.take(QueueName::Events);
                world.clock.forward(second[0].delay);
                world.job_plan.strike_at(call, fault);
                let failed = world.deal(QueueName::Events, &second, 1).await;
                let has_struck = world.job_plan.calls() >= call;
                world.job_plan.recover();
                if !has_struck {
                    break;
                }
                if matches!(meanwhile, Meanwhile::Delivered) {
                    let messages = world.queue.take(WEBHOOK);
                    assert_eq!(world.deal(WEBHOOK, &messages, 1).await, 0);
                }
                if failed > 0 {
                    assert_eq!(world.deal(QueueName::Events, &second, 2).await, 0, "call {call}");
                }
                world.settle().await;
                let done = world.job(&job).await;
                let what = format!("call {call}, {fault:?}, failed {failed}");
                assert_eq!(done.state, JobState::Done, "{what}");
                assert_eq!((done.counts.sent, done.counts.matched()), (count as u64, count as u64), "{what}");
                assert_eq!(world.channel.calls().len() - before, count, "{what}");
                assert_eq!(world.most_calls(), calls_each, "{what}");
                call += 1;
            }
            assert!(call > 7, "a portion has more than {call} calls");
        }
    }
}

#[tokio::test]
async fn a_redrive_survives_a_crash_at_every_call() {
    let dead = async |world: &World| {
        world.endpoint("*").await;
        world.dead(25).await;
        (Task::Redrive(Redrive::default()), 25)
    };
    strike_everywhere(dead, 2).await;
}

#[tokio::test]
async fn a_replay_survives_a_crash_at_every_call() {
    let delivered = async |world: &World| {
        let endpoint = world.endpoint("*").await;
        for number in 0..25 {
            world.publish(Some(&format!("e{number}")), "{}").await.unwrap();
        }
        world.settle().await;
        (whole(endpoint, None), 25)
    };
    strike_everywhere(delivered, 2).await;
}

#[tokio::test]
async fn a_replay_to_another_endpoint_survives_a_crash_at_every_call() {
    let delivered = async |world: &World| {
        let endpoint = world.endpoint("*").await;
        for number in 0..25 {
            world.publish(Some(&format!("e{number}")), "{}").await.unwrap();
        }
        world.settle().await;
        let other = world.endpoint("nothing").await;
        (whole(endpoint, Some(other)), 25)
    };
    strike_everywhere(delivered, 2).await;
}

/// What failed is replayed, so that its dead letters, too, are to be marked.
#[tokio::test]
async fn a_replay_of_what_failed_leaves_no_dead_letter_pending_after_a_crash() {
    let dead = async |world: &World| {
        let endpoint = world.endpoint("*").await;
        world.dead(25).await;
        let Task::Replay(Replay::Endpoint(scope)) = whole(endpoint, None) else { unreachable!() };
        let scope = ReplayScope { status: Some(DeliveryStatus::Failed), ..scope };
        assert_eq!(letters(world).await.len(), 25);
        (Task::Replay(Replay::Endpoint(scope)), 25)
    };
    strike_everywhere(dead, 2).await;
}

/// All of an endpoint's deliveries.
fn whole(endpoint: postrider_domain::EndpointId, to_endpoint: Option<postrider_domain::EndpointId>) -> Task {
    Task::Replay(Replay::Endpoint(ReplayScope {
        endpoint,
        since: Timestamp::default(),
        until: Timestamp::from_millis(u64::MAX >> 20),
        status: None,
        event_types: Vec::new(),
        to_endpoint,
    }))
}
