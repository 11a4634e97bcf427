//! How much of large payloads an instance holds in memory at a time.
//!
//! A batch of ten events of 5 MB each is 50 MB, twice that while the requests are made, and more while the payloads
//! are read. So a delivery whose data is a blob first takes room for it, and gives it back after its attempt. One
//! endpoint may take half of the room: a slow receiver of large events does not keep all others' waiting. What finds
//! no room for long goes back to the queue, which is not an attempt.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use postrider_domain::{EndpointId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Deliver, DeliverError, Job, OpenEndpoint};
use crate::messages::Payload;
use crate::shares::{self, Shares};

/// The room of an instance that is not told otherwise: with the requests that are made of them and what reading
/// takes, about 100 MB of a function's 256.
pub(super) const ROOM_BYTES: u64 = 32_000_000;

/// What room is counted in.
const UNIT: u64 = 1024;

/// How long a delivery waits for room. Reading the data, for 11 s at most, and an attempt, for 30 s, are over then
/// before the function's 60 s are.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long, at least, it is away when it found none.
const AWAY: Duration = Duration::from_secs(5);

/// Room for payloads.
pub(super) struct Room {
    all: Arc<Semaphore>,
    units_of_one: u32,
    shares: Shares<EndpointId>,
}

/// Room that was taken, until it is dropped.
pub(super) struct Taken {
    _share: shares::Taken,
    _all: OwnedSemaphorePermit,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).max(2);
        let units_of_one = units / 2;
        Self {
            all: Arc::new(Semaphore::new(units as usize)),
            units_of_one,
            shares: Shares::new(units_of_one),
        }
    }

    /// Takes room in the order of those who ask. What is larger than an endpoint's share takes all of that.
    async fn take(&self, endpoint: EndpointId, bytes: u64) -> Option<Taken> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units_of_one);
        let share = self.shares.take(endpoint, units).await;
        // It is never closed.
        let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok()?;
        Some(Taken { _share: share, _all: all })
    }
}

/// What a delivery has of the room.
pub(super) enum Reserved {
    /// It needs none: its data came with its message, or is not loaded.
    Nothing,
    /// Room for its data, until this is dropped.
    Room { _taken: Taken },
    /// There was none for so long. Its message was sent again for this moment.
    Later(Timestamp),
}

impl Deliver {
    /// The same worker, which holds at most so many bytes of large payloads in memory at a time.
    #[must_use]
    pub fn payload_room(mut self, bytes: u64) -> Self {
        self.room = Room::new(bytes);
        self
    }

    /// Room for the data of an attempt.
    pub(super) async fn room_for(
        &self,
        job: &Job,
        open: Option<&OpenEndpoint>,
        receive_count: u32,
        patience: Duration,
    ) -> Result<Reserved, DeliverError> {
        let Payload::Stored { size, .. } = &job.payload else { return Ok(Reserved::Nothing) };
        if open.is_none_or(|open| open.destination.link_ttl().is_some()) {
            return Ok(Reserved::Nothing);
        }
        let taking = std::pin::pin!(self.room.take(job.delivery_id.endpoint(), *size));
        // Whoever finds room at once does not wait, not even for no time.
        let taken = match select(taking, self.clock.sleep(patience)).await {
            Either::Left((taken, _)) => taken,
            Either::Right(_) => None,
        };
        if let Some(taken) = taken {
            return Ok(Reserved::Room { _taken: taken });
        }
        let pause = AWAY.mul_f64(1.0 + self.entropy.unit());
        let at = self.clock.now().after(pause);
        let waiting = job.message.clone().later(at);
        // Whoever had it before may have begun an attempt.
        let waiting = if receive_count > 1 { waiting.rechecked() } else { waiting };
        self.send(job, waiting, pause).await?;
        Ok(Reserved::Later(at))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const MB: u64 = 1_000_000;

    fn endpoint(last: char) -> EndpointId {
        format!("ep_01K8Z3V5Q2T9N4B7C6D5E4F3G{last}").parse().unwrap()
    }

    #[test]
    fn an_endpoint_takes_half_of_the_room_and_all_take_all_of_it() {
        let room = Room::new(20 * MB);
        let take = |endpoint, bytes| room.take(endpoint, bytes).now_or_never().flatten();
        let (a, b, c) = (endpoint('2'), endpoint('3'), endpoint('4'));
        let first = take(a, 5 * MB).unwrap();
        let second = take(a, 4 * MB).unwrap();
        assert!(take(a, 4 * MB).is_none(), "more than half");
        let third = take(b, 9 * MB).unwrap();
        assert!(take(c, 3 * MB).is_none(), "more than there is");
        assert!(take(c, MB).is_some());
        drop((first, third));
        let fourth = take(a, 4 * MB).unwrap();
        assert!(take(a, 4 * MB).is_none(), "the others of the endpoint still count");
        drop((second, fourth));
        assert!(take(a, 500 * MB).is_some(), "however large, one at a time");
    }
}
