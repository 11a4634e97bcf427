//! How many attempts for one endpoint an instance makes at a time.
//!
//! A receiver that is slow and gets much would hold all of an instance's sends, and everybody else would wait for
//! it. So beyond a number of attempts under way, an endpoint whose receiver takes long gets no more: the delivery
//! waits, which is not an attempt, and comes back when by its receiver's pace its turn will be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use postrider_domain::{EndpointId, Timestamp};

use crate::deliver::{Deliver, DeliverError, Job};

/// How many attempts for a slow receiver are under way at a time.
const MOST: usize = 128;

/// From which duration of an attempt on a receiver is slow. One that is fast frees its places by itself.
const SLOW: Duration = Duration::from_millis(500);

/// How long a receiver is taken to need before its first attempt is over.
const UNKNOWN: f64 = 0.1;

/// In the place of a moment that has not come.
const NOT_BEGUN: Timestamp = Timestamp::from_millis(u64::MAX);

/// How many endpoints an instance remembers that have nothing under way.
const REMEMBERED: usize = 10_000;

/// How much the latest attempt counts in the average.
const WEIGHT: f64 = 0.1;

/// The attempts for one endpoint.
#[derive(Debug, Default)]
struct Crowd {
    /// When those under way began, by their number: the oldest first. Those that wait for a token have not.
    under_way: BTreeMap<u64, Timestamp>,
    next: u64,
    /// How long an attempt takes, in seconds; unknown before the first is over.
    average: Option<f64>,
    /// Until when those who were sent back fill the places.
    booked_until: Timestamp,
}

/// The attempts for all endpoints that have any under way, and how long those of others took.
#[derive(Debug, Default)]
pub(in crate::deliver) struct Crowds(Mutex<HashMap<EndpointId, Crowd>>);

/// A place among the attempts for an endpoint, until it is dropped.
pub(in crate::deliver) struct Place<'a> {
    deliver: &'a Deliver,
    endpoint: EndpointId,
    number: u64,
}

impl Crowds {
    fn lock(&self) -> MutexGuard<'_, HashMap<EndpointId, Crowd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, or when to come back.
    fn enter(&self, endpoint: EndpointId, now: Timestamp) -> Result<u64, Timestamp> {
        let mut crowds = self.lock();
        let crowd = crowds.entry(endpoint).or_default();
        if crowd.under_way.len() >= MOST && !crowd.is_fast(now) {
            let pace = crowd.pace(now);
            let interval = Duration::from_secs_f64(pace / MOST as f64).max(Duration::from_millis(1));
            let soonest = now.after(Duration::from_secs_f64(pace));
            crowd.booked_until = crowd.booked_until.after(interval).max(soonest);
            return Err(crowd.booked_until);
        }
        crowd.next += 1;
        crowd.under_way.insert(crowd.next, NOT_BEGUN);
        Ok(crowd.next)
    }

    fn begin(&self, endpoint: EndpointId, number: u64, now: Timestamp) {
        let mut crowds = self.lock();
        if let Some(begun) = crowds.get_mut(&endpoint).and_then(|crowd| crowd.under_way.get_mut(&number)) {
            *begun = now;
        }
    }

    fn leave(&self, endpoint: EndpointId, number: u64, now: Timestamp) {
        let mut crowds = self.lock();
        let Some(crowd) = crowds.get_mut(&endpoint) else { return };
        if let Some(begun) = crowd.under_way.remove(&number).filter(|begun| *begun != NOT_BEGUN) {
            let took = now.since(begun).as_secs_f64();
            let average = crowd.average.get_or_insert(took);
            *average += (took - *average) * WEIGHT;
        }
        if crowds.len() > REMEMBERED {
            crowds.retain(|_, crowd| !crowd.under_way.is_empty());
        }
    }
}

impl Crowd {
    /// How long an attempt takes, in seconds: as they did lately, or as long as one is under way already.
    fn pace(&self, now: Timestamp) -> f64 {
        let longest = self.under_way.values().next().map(|begun| now.since(*begun)).unwrap_or_default();
        self.average.unwrap_or(UNKNOWN).max(longest.as_secs_f64())
    }

    fn is_fast(&self, now: Timestamp) -> bool {
        self.average.is_some() && self.pace(now) < SLOW.as_secs_f64()
    }
}

impl Place<'_> {
    /// From now on it takes time: the attempt may be made.
    pub(in crate::deliver) fn begin(&self) {
        self.deliver.crowds.begin(self.endpoint, self.number, self.deliver.clock.now());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.deliver.crowds.leave(self.endpoint, self.number, self.deliver.clock.now());
    }
}

impl Deliver {
    /// A place for the attempt; `None` when there is none, and the message was sent again.
    pub(in crate::deliver) async fn place(
        &self,
        job: &Job,
        receive_count: u32,
    ) -> Result<Option<Place<'_>>, DeliverError> {
        let (endpoint, now) = (job.delivery_id.endpoint(), self.clock.now());
        match self.crowds.enter(endpoint, now) {
            Ok(number) => Ok(Some(Place { deliver: self, endpoint, number })),
            Err(slot) => {
                let waiting = job.message.clone().later(slot);
                // Whoever had it before may have begun an attempt.
                let waiting = if receive_count > 1 { waiting.rechecked() } else { waiting };
                self.send(job, waiting, slot.since(now)).await?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_fast_receiver_has_as_many_places_as_it_needs_and_a_slow_one_has_not() {
        let endpoint: EndpointId = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
        let crowds = Crowds::default();
        let enter = |millis| {
            let number = crowds.enter(endpoint, at(millis))?;
            crowds.begin(endpoint, number, at(millis));
            Ok(number)
        };
        let first: Vec<u64> = (0..MOST).map(|_| enter(0).unwrap()).collect();
        assert_eq!(enter(1), Err(at(101)), "nothing is known of it yet");
        crowds.leave(endpoint, first[0], at(20));
        assert!((0..1_000).all(|_| enter(20).is_ok()), "it is fast");
        // The others are not over after a while.
        assert_eq!(enter(1_280), Err(at(2_560)));
        assert_eq!(enter(1_280), Err(at(2_570)), "one after the other");
        for number in 2..=1_128 {
            crowds.leave(endpoint, number, at(2_000));
        }
        let again = (0..200).filter(|_| enter(2_001).is_ok()).count();
        assert_eq!(again, MOST, "it is known to be slow");
    }
}
