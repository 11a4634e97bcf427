//! The rate limit of an endpoint. A delivery without a token waits: not an attempt, and nothing is written of it.
//!
//! One that waits for long is sent again as a message that is delayed until a slot of its own, so that those who
//! wait come back as densely as the limit allows. There it takes a token like everybody who comes back.

use std::time::Duration;

use postrider_domain::{EndpointStatus, Timestamp};

use crate::deliver::{Deliver, DeliverError, Job, OpenEndpoint};
use crate::rates::{Manner, RateError, Turn};
use crate::stores::buckets::BucketKey;

/// How long, at least, a delivery waits whose endpoint's bucket others kept changing.
const CONTENDED: Duration = Duration::from_secs(1);

impl Deliver {
    /// Waits for a token of the endpoint's, if there will be one soon. Answers `None` when the attempt may be made;
    /// otherwise its message was sent again for the moment that is answered.
    pub(in crate::deliver) async fn comes_back_at(
        &self,
        job: &Job,
        open: Option<&OpenEndpoint>,
        receive_count: u32,
    ) -> Result<Option<Timestamp>, DeliverError> {
        // What becomes of deliveries for an endpoint that takes none needs no token.
        let Some(open) = open.filter(|open| is_active(open)) else { return Ok(None) };
        let limit = &open.endpoint.rate_limit;
        let manner = if job.message.slot_interval().is_some() { Manner::HasWaited } else { Manner::Waits };
        let key = BucketKey::Endpoint(job.event.tenant.clone(), job.delivery_id.endpoint());
        let turn = match self.rates.take(&key, limit, 1, manner).await {
            Ok(mut turns) => turns.pop(),
            // Too many ask at the same time. Without a slot of the list, and without a message that failed.
            Err(RateError::Contended) => {
                let pause = CONTENDED.mul_f64(1.0 + self.entropy.unit());
                let at = self.clock.now().after(pause);
                let waiting = job.message.clone().later(at);
                let waiting = if receive_count > 1 { waiting.rechecked() } else { waiting };
                self.send(job, waiting, pause).await?;
                return Ok(Some(at));
            }
            Err(error) => return Err(error.into()),
        };
        let now = self.clock.now();
        match turn {
            Some(Turn::Later(slot)) => {
                let waiting = job.message.clone().at_slot(slot, limit.interval());
                // Whoever had it before may have begun an attempt.
                let waiting = if receive_count > 1 { waiting.rechecked() } else { waiting };
                self.send(job, waiting, slot.since(now)).await?;
                Ok(Some(slot))
            }
            Some(Turn::Token(at)) if at > now => {
                self.clock.sleep(at.since(now)).await;
                Ok(None)
            }
            Some(Turn::Token(_)) | None => Ok(None),
        }
    }

    /// Whether a message that came before its moment waits on. A slot was given under a limit that may have been
    /// changed since then: who has one asks again, at the latest when the queue could hold the message no longer.
    pub(in crate::deliver) async fn keeps_slot(&self, job: &Job) -> Result<bool, DeliverError> {
        let Some(interval) = job.message.slot_interval() else { return Ok(true) };
        let open = self.open(job).await?.filter(|open| is_active(open));
        Ok(open.is_some_and(|open| open.endpoint.rate_limit.interval() == interval))
    }
}

fn is_active(open: &OpenEndpoint) -> bool {
    open.endpoint.status == EndpointStatus::Active
}
