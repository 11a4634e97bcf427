//! Receivers of many kinds: good ones, and those that fail, hang, answer late or flap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::ports::{AttemptJob, AttemptResult, Channel, Destination};
use postrider_domain::Outcome;
use postrider_domain::delivery::RequestRecord;
use postrider_testkit::channel::OpensWith;
use serde_json::Value;

use crate::executor::{Simulation, TaskId};
use crate::random::Random;

/// What a receiver is like while not everything is well.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Answers with success, soon.
    Good,
    /// Answers with success after this many milliseconds.
    Slow(u64),
    /// Fails in this many of a thousand cases.
    Flaky(u64),
    /// Fails for a while, is well for a while, in turns of this many milliseconds.
    Flapping(u64),
    /// Says nothing until the time is up, in this many of a thousand cases.
    Hanging(u64),
    /// Refuses in this many of a thousand cases, for good.
    Rejecting(u64),
    /// Asks for patience: 429 with `Retry-After` in seconds, in half of all cases.
    Busy(u64),
    /// Fails always.
    Dead,
}

impl Manner {
    /// Some manner.
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(11) {
            0 | 1 => Self::Good,
            2 => Self::Slow(random.between(500, 9_000)),
            3 | 4 => Self::Flaky(random.between(100, 900)),
            5 | 6 => Self::Flapping(random.between(5_000, 400_000)),
            7 => Self::Hanging(random.between(50, 700)),
            8 => Self::Rejecting(random.between(50, 500)),
            9 => Self::Busy(random.between(1, 1_200)),
            _ => Self::Dead,
        }
    }
}

/// A request as its receiver saw it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) receiver: u64,
    pub(crate) event: String,
    /// The worker's task.
    pub(crate) task: TaskId,
    /// What the receiver said, had somebody been there to hear it.
    pub(crate) outcome: Outcome,
    /// When it came, in milliseconds.
    pub(crate) at: u64,
    /// When it was answered.
    pub(crate) until: u64,
}

/// Says what is wrong with a request that comes to a receiver now, with which so many are under way there.
pub(crate) type Watch = Box<dyn Fn(u64, usize) -> Option<String> + Send + Sync>;

/// The receivers, by number.
pub(crate) struct Receivers {
    simulation: Simulation,
    manners: Mutex<BTreeMap<u64, Manner>>,
    calls: Mutex<Vec<Call>>,
    watch: OnceLock<Watch>,
    wrong: Mutex<Vec<String>>,
}

impl Receivers {
    pub(crate) fn new(simulation: Simulation) -> Self {
        Self {
            simulation,
            manners: Mutex::default(),
            calls: Mutex::default(),
            watch: OnceLock::new(),
            wrong: Mutex::default(),
        }
    }

    /// Has somebody look at every request.
    pub(crate) fn watched(&self, watch: Watch) {
        assert!(self.watch.set(watch).is_ok(), "only one can watch");
    }

    /// What was found.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what a receiver is like.
    pub(crate) fn behave(&self, receiver: u64, manner: Manner) {
        self.simulation.note(|| format!("receiver {receiver} is {manner:?}"));
        self.manners.lock().unwrap_or_else(PoisonError::into_inner).insert(receiver, manner);
    }

    /// All of them are well from now on.
    pub(crate) fn heal(&self) {
        self.manners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values_mut()
            .for_each(|m| *m = Manner::Good);
    }

    /// The requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(&self, receiver: u64, job: &AttemptJob<'_>) -> AttemptResult {
        let manners = |receivers: &Self| {
            receivers.manners.lock().unwrap_or_else(PoisonError::into_inner).get(&receiver).copied()
        };
        let manner = manners(self).unwrap_or(Manner::Good);
        let at = self.simulation.now();
        let timeout = u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX);
        let fails = |thousandths| self.simulation.chance(thousandths);
        let (outcome, takes, retry_after) = match manner {
            Manner::Good => (Outcome::Delivered, 20, None),
            Manner::Slow(takes) if takes < timeout => (Outcome::Delivered, takes, None),
            Manner::Slow(_) => (Outcome::Retry, timeout, None),
            Manner::Flaky(rate) if fails(rate) => (Outcome::Retry, 20, None),
            Manner::Flapping(turn) if (at / turn).is_multiple_of(2) => (Outcome::Retry, 20, None),
            Manner::Hanging(rate) if fails(rate) => (Outcome::Retry, timeout, None),
            Manner::Rejecting(rate) if fails(rate) => (Outcome::Rejected, 20, None),
            Manner::Busy(wait) if fails(500) => (Outcome::Retry, 20, Some(Duration::from_secs(wait))),
            Manner::Dead => (Outcome::Retry, 20, None),
            _ => (Outcome::Delivered, 20, None),
        };
        let event = job.event.id.to_string();
        self.simulation.note(|| format!("receiver {receiver} gets {event}: {outcome:?} after {takes} ms"));
        let takes = takes + self.simulation.draw(|random| random.below(30));
        let task = self.simulation.current();
        let under_way = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Call { receiver, event: event.clone(), task, outcome, at, until: at + takes });
            calls.iter().filter(|call| call.receiver == receiver && call.until > at).count()
        };
        if let Some(wrong) = self.watch.get().and_then(|watch| watch(receiver, under_way)) {
            let mut found = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            found.push(format!("receiver {receiver} got {event}: {wrong}"));
        }
        self.simulation.sleep(takes).await;
        let error = (outcome != Outcome::Delivered).then(|| format!("{manner:?}"));
        AttemptResult { outcome, request: RequestRecord::default(), response: None, error, retry_after }
    }
}

/// The channel whose destinations are the receivers: `{"receiver": 3}`.
pub(crate) fn channel(receivers: Arc<Receivers>) -> Arc<dyn Channel> {
    Arc::new(OpensWith(move |config: &Value| {
        let number = config["receiver"].as_u64().unwrap_or_default();
        Arc::new(One { receivers: receivers.clone(), number }) as Arc<dyn Destination>
    }))
}

struct One {
    receivers: Arc<Receivers>,
    number: u64,
}

#[async_trait]
impl Destination for One {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        self.receivers.answer(self.number, job).await
    }
}
