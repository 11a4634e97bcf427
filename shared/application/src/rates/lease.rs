//! What an instance has of one bucket: its allowance, and turns that were asked for on behalf of others who want
//! one at the same time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postrider_domain::rate_limit::{Allowance, Demand, Turn};
use postrider_domain::{RateLimit, Timestamp};
use tokio::sync::Mutex;

use super::{Manner, RateError, Source};
use crate::stores::buckets::{BucketKey, SavedBucket, VersionedBucket};

/// How often a bucket is tried again that others change at the same time.
const TRIES: usize = 12;

/// The longest pause before the second try; it doubles up to 64 times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

/// How long a turn is kept for somebody who wanted it and may have ended.
const KEPT: Duration = Duration::from_secs(1);

/// What an instance has of one bucket.
#[derive(Default)]
pub(super) struct Lease {
    /// How many turns are wanted by those who are here and have none yet.
    fresh: AtomicUsize,
    waited: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    allowance: Option<Allowance>,
    known: VersionedBucket,
    /// Turns for those who are here, with the moment at which they were given.
    fresh: VecDeque<(Timestamp, Turn)>,
    waited: VecDeque<(Timestamp, Turn)>,
    /// Before this moment nobody gets a token at once.
    empty_until: Timestamp,
}

/// Counts somebody who wants turns, for as long as they are here.
struct Wanted<'a>(&'a AtomicUsize, usize);

impl<'a> Wanted<'a> {
    fn count(counter: &'a AtomicUsize, turns: usize) -> Self {
        counter.fetch_add(turns, Ordering::SeqCst);
        Self(counter, turns)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

impl Lease {
    pub(super) async fn take(
        &self,
        source: &Source,
        key: &BucketKey,
        limit: &RateLimit,
        count: usize,
        manner: Manner,
    ) -> Result<Vec<Turn>, RateError> {
        let has_waited = manner == Manner::HasWaited;
        let wanted = Wanted::count(if has_waited { &self.waited } else { &self.fresh }, count);
        let mut state = self.state.lock().await;
        let mut turns = Vec::with_capacity(count);
        let now = source.clock.now();
        state.gather(&mut turns, count, limit, now, has_waited);
        if turns.len() < count && manner == Manner::Within(Duration::ZERO) && now < state.empty_until {
            turns.resize(count, Turn::Later(state.empty_until));
        }
        while turns.len() < count {
            let unpaid = state.allowance(limit, now).unpaid(now);
            let demand = match manner {
                // Others may be willing to wait for longer, or less.
                Manner::Within(horizon) => {
                    Demand { unpaid, waited: 0, fresh: count - turns.len(), horizon: Some(horizon) }
                }
                Manner::Waits | Manner::HasWaited => Demand {
                    unpaid,
                    waited: self.waited.load(Ordering::SeqCst),
                    fresh: self.fresh.load(Ordering::SeqCst),
                    horizon: None,
                },
            };
            state.ask(source, key, limit, demand).await?;
            state.gather(&mut turns, count, limit, source.clock.now(), has_waited);
        }
        // Before the next one counts: these have theirs.
        drop(wanted);
        drop(state);
        Ok(turns)
    }
}

impl State {
    fn allowance(&mut self, limit: &RateLimit, now: Timestamp) -> &mut Allowance {
        let known = self.allowance.take().filter(|allowance| allowance.limit() == limit);
        self.allowance.insert(known.unwrap_or_else(|| Allowance::new(*limit, now)))
    }

    /// Takes what is here already: turns that others asked for, and the allowance.
    fn gather(
        &mut self,
        turns: &mut Vec<Turn>,
        count: usize,
        limit: &RateLimit,
        now: Timestamp,
        waited: bool,
    ) {
        let given = if waited { &mut self.waited } else { &mut self.fresh };
        while turns.len() < count
            && let Some((at, turn)) = given.pop_front()
        {
            if now.since(at) < KEPT {
                turns.push(turn);
            }
        }
        let allowance = self.allowance(limit, now);
        while turns.len() < count && allowance.take(now) {
            turns.push(Turn::Token(now));
        }
    }

    /// Asks the bucket, for everybody who is here.
    async fn ask(
        &mut self,
        source: &Source,
        key: &BucketKey,
        limit: &RateLimit,
        demand: Demand,
    ) -> Result<(), RateError> {
        for tries in 0..TRIES {
            let now = source.clock.now();
            let mut form = self.known;
            let supply = form.bucket.serve(limit, now, demand);
            match source.buckets.save(key, form).await? {
                SavedBucket::Yes => {
                    // From now on: writing it may have taken a while.
                    let now = source.clock.now();
                    self.known = VersionedBucket { version: form.version + 1, ..form };
                    self.allowance(limit, now).paid(supply.credit, now);
                    let refused = supply.fresh.iter().find(|turn| matches!(turn, Turn::Later(_)));
                    self.empty_until = refused.map(|turn| turn.at()).unwrap_or_default();
                    self.waited.extend(supply.waited.into_iter().map(|turn| (now, turn)));
                    self.fresh.extend(supply.fresh.into_iter().map(|turn| (now, turn)));
                    return Ok(());
                }
                SavedBucket::Changed(current) => {
                    self.known = current;
                    // The more ask at the same time, the longer each leaves the others alone.
                    let most = FIRST_PAUSE.saturating_mul(1 << tries.min(6));
                    source.clock.sleep(most.mul_f64(source.entropy.unit())).await;
                }
            }
        }
        Err(RateError::Contended)
    }
}
