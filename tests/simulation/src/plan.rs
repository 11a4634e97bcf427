//! What a seed stands for: how large its world is, what goes wrong in it, and what people do.

use std::time::Duration;

use postrider_domain::retry::Backoff;
use postrider_domain::{RateLimit, RetryPolicy};

use crate::random::Random;
use crate::receivers::Manner;

/// Until when things go wrong, in milliseconds from the start.
pub(crate) const TROUBLE: u64 = 20 * 60_000;

/// An endpoint of the world.
#[derive(Debug, Clone)]
pub(crate) struct PlannedEndpoint {
    pub(crate) manner: Manner,
    pub(crate) retry: RetryPolicy,
    /// In seconds.
    pub(crate) timeout: u64,
    /// Whether its deliveries go one after the other.
    pub(crate) in_order: bool,
    pub(crate) rate_limit: Option<RateLimit>,
}

/// An event of the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedEvent {
    /// When it is published, in milliseconds from the start.
    pub(crate) at: u64,
    /// Whether its publisher gives it an id, and so can try again.
    pub(crate) is_named: bool,
    /// The size of its data in bytes.
    pub(crate) size: u64,
}

/// What somebody does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// Pauses an endpoint.
    Pause(usize),
    /// Lets it go on.
    Resume(usize),
    /// Attempts the delivery of an event to an endpoint again.
    Retry(usize, usize),
    /// Redrives what is in the list of dead letters.
    Redrive,
    /// Replays everything that an endpoint got, as a job.
    Replay(usize),
    /// Redrives all dead letters, as a job.
    RedriveAll,
    /// Changes what a receiver is like.
    Turn(usize, Manner),
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Faults, in thousandths of the calls to table, queue and blobs.
    pub(crate) faults: u64,
    /// Messages that come twice, in thousandths.
    pub(crate) repetitions: u64,
    /// How many instances each function has.
    pub(crate) instances: usize,
    /// By how much indexes are behind their tables at the most, in milliseconds.
    pub(crate) lag: u64,
    /// By how much clocks go wrong, in milliseconds.
    pub(crate) skew: u64,
    pub(crate) endpoints: Vec<PlannedEndpoint>,
    pub(crate) events: Vec<PlannedEvent>,
    /// With their moments, in milliseconds from the start.
    pub(crate) deeds: Vec<(u64, Deed)>,
}

impl Plan {
    /// What follows from a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let random = &mut Random::seeded(seed ^ 0x706f_7374_7269_6465);
        let endpoints: Vec<_> = (0..random.between(1, 4)).map(|_| endpoint(random)).collect();
        let hurry = random.pick(&[1_000, 60_000, 600_000]);
        let events: Vec<_> = (0..random.between(1, 10)).map(|_| event(random, hurry)).collect();
        let deeds = (0..random.below(6))
            .map(|_| (random.below(TROUBLE), deed(random, endpoints.len() as u64, events.len() as u64)))
            .collect();
        Self {
            faults: random.pick(&[0, 0, 5, 20, 60]),
            repetitions: random.pick(&[0, 0, 10, 60]),
            instances: random.between(1, 4) as usize,
            skew: random.pick(&[0, 0, 200, 1_500]),
            // Shorter than the time after which a release has its last look.
            lag: random.pick(&[0, 0, 1_000, 20_000]),
            endpoints,
            events,
            deeds,
        }
    }
}

fn endpoint(random: &mut Random) -> PlannedEndpoint {
    let second = Duration::from_secs;
    let max_attempts = random.between(1, 6) as u32;
    let strategy = match random.below(5) {
        0 | 1 => RetryPolicy::default().strategy,
        2 => Backoff::Fixed { delay: second(random.between(0, 60)) },
        3 => Backoff::Linear { initial: second(random.between(1, 100)), max: second(400) },
        // Longer than a queue can hold a message.
        _ => Backoff::Schedule((1..max_attempts).map(|_| second(random.between(1, 2_000))).collect()),
    };
    let jitter = random.pick(&[0.0, 0.1, 1.0]);
    let retry = RetryPolicy { max_attempts, strategy, jitter };
    let per_second = random.pick(&[0.1, 0.5, 2.0]);
    let rate_limit = RateLimit { per_second, burst: random.between(1, 3) as u32 };
    PlannedEndpoint {
        manner: Manner::any(random),
        retry,
        timeout: random.between(1, 30),
        in_order: random.below(3) == 0,
        rate_limit: (random.below(3) == 0).then_some(rate_limit),
    }
}

fn event(random: &mut Random, hurry: u64) -> PlannedEvent {
    let size = random.pick(&[20, 20, 1_000, 30_000]);
    PlannedEvent { at: random.below(hurry), is_named: random.below(4) > 0, size }
}

fn deed(random: &mut Random, endpoints: u64, events: u64) -> Deed {
    let endpoint = random.below(endpoints) as usize;
    match random.below(8) {
        0 => Deed::Pause(endpoint),
        1 => Deed::Resume(endpoint),
        2 => Deed::Retry(random.below(events) as usize, endpoint),
        3 => Deed::Redrive,
        4 => Deed::Replay(endpoint),
        5 => Deed::RedriveAll,
        _ => Deed::Turn(endpoint, Manner::any(random)),
    }
}
