//! Ordered endpoints: their deliveries go one after the other, in the order in which their events were accepted,
//! and one that is tried again holds back those behind it.
//!
//! The order is that of the ledger, not of messages: a message only says that there is something in the line. The
//! worker that takes the line (one item, written on a condition) deals with the oldest delivery that waits, then
//! with the next one. Whoever finds the line taken goes away; who leaves the line looks once more for those who
//! went away meanwhile. So each delivery that waits is either behind one whose own message is on its way, or
//! somebody is at it.
//!
//! Outside the line, at once, goes what comes after those behind it were delivered: what somebody asks for again,
//! and deliveries that were created late, of events that were scheduled or whose acceptance was cut short.

mod ahead;
mod run;

use std::time::Duration;

use postrider_domain::id::Ulid;
use postrider_domain::{Delivery, DeliveryStatus, Endpoint, InOrder, Timestamp};

use self::ahead::Ahead;
use super::{CLAIM, Deliver, DeliverError, Job, OpenEndpoint, SAVE_TRIES};
use crate::stores::lines::{Line, LineWorker, Written};

/// For how long a worker goes through a line before it hands on to the next message.
const RUN: Duration = Duration::from_secs(15);

/// After how much time a worker that has not left a line is taken to have died: its last attempt begins within
/// [`RUN`] and waits for a token of the endpoint's rate before.
const HELD: Duration = RUN.saturating_add(CLAIM).saturating_add(Duration::from_secs(10));

/// When a message that must not be lost comes back to a line that is taken.
const COME_BACK: Duration = Duration::from_secs(1);

/// An ordered endpoint.
#[derive(Clone, Copy)]
struct Ordered<'a> {
    open: &'a OpenEndpoint,
    in_order: &'a InOrder,
}

impl<'a> Ordered<'a> {
    const fn endpoint(&self) -> &'a Endpoint {
        &self.open.endpoint
    }
}

/// Where a message's delivery stands.
enum Standing {
    /// In the line. With the delivery, if it was read.
    InLine(Option<Box<Delivery>>),
    /// It is not held back by others, nor does it hold back any.
    Outside,
    /// It was parked when others went past it, and goes on now.
    Before,
}

impl Deliver {
    /// Deals with a message for an ordered endpoint.
    pub(super) async fn in_line(
        &self,
        job: &Job,
        open: &OpenEndpoint,
        in_order: &InOrder,
        receive_count: u32,
    ) -> Result<(), DeliverError> {
        let ordered = Ordered { open, in_order };
        let (tenant, endpoint) = (&job.event.tenant, open.endpoint.id);
        let mut line = self.lines.get(tenant, endpoint, in_order).await?;
        for _ in 0..SAVE_TRIES {
            match self.standing(job, &line, receive_count).await? {
                Standing::Outside => {
                    self.alone(job, Some(open), receive_count).await?;
                    if job.place() <= line.done_to && receive_count == 1 {
                        return Ok(());
                    }
                    // It may have been all that the line was waiting for, or its worker have broken off behind it.
                }
                Standing::Before => {
                    line.done_to = Ulid(job.place().0.saturating_sub(1));
                    match self.write_line(ordered, &line).await? {
                        Written::Yes(written) => line = written,
                        Written::Changed(current) => {
                            line = current;
                            continue;
                        }
                    }
                }
                Standing::InLine(delivery) => {
                    if let Some(why) = self.gate.refuses(ordered.endpoint()).await? {
                        return self.park_waiting(job, ordered, &line, delivery, why).await;
                    }
                    let on_record = delivery.filter(|delivery| job.is_on_record(delivery));
                    if let Some(delivery) = on_record.filter(|_| receive_count > 1) {
                        // Its worker may have died before what follows.
                        self.follow_up_again(job, &delivery).await?;
                    }
                }
            }
            if let Some(worker) = line.worker.filter(|worker| self.is_at_it(worker)) {
                return self.come_back(job, &worker, receive_count).await;
            }
            let mut ahead = Ahead::new(ordered, line.done_to);
            let Some(head) = ahead.next(self).await? else { return Ok(()) };
            // Of one that is not ready the message is on its way, unless somebody broke off before it was sent.
            let broke_off = receive_count > 1 || line.worker.is_some();
            if !is_ready(&head, self.clock.now()) && !broke_off {
                return Ok(());
            }
            match self.take(job, ordered, &line).await? {
                Written::Yes(taken) => return self.go_through(job, ordered, taken).await,
                Written::Changed(current) => line = current,
            }
        }
        Err(DeliverError::Contended(job.delivery_id))
    }

    /// Where the delivery of a message stands. It is read when it cannot be new, or when others went past it.
    async fn standing(&self, job: &Job, line: &Line, receive_count: u32) -> Result<Standing, DeliverError> {
        let message = &job.message;
        let is_behind = job.place() > line.done_to;
        let is_new = message.attempt == 1 && receive_count == 1 && !message.recheck && !message.renew;
        if is_behind && is_new {
            return Ok(Standing::InLine(None));
        }
        let Some(delivery) = self.deliveries.get(&job.event.tenant, job.delivery_id).await? else {
            return Ok(Standing::Outside);
        };
        let is_parked = delivery.status == DeliveryStatus::Parked;
        let waits = delivery.status.is_waiting() || is_parked;
        Ok(match is_behind {
            // What is asked for again although it is over has no place any more.
            true if message.renew && !waits => Standing::Outside,
            true => Standing::InLine(Some(Box::new(delivery))),
            // Not for a message that was late: its attempt is over.
            false if is_parked && !message.renew && message.attempt > delivery.attempt_count => {
                Standing::Before
            }
            false => Standing::Outside,
        })
    }

    /// Parks a delivery that nobody would attempt now, without taking the line for it, and those that it held back.
    async fn park_waiting(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        line: &Line,
        delivery: Option<Box<Delivery>>,
        why: String,
    ) -> Result<(), DeliverError> {
        let found = match delivery {
            Some(delivery) => Some(*delivery),
            None => self.deliveries.get(&job.event.tenant, job.delivery_id).await?,
        };
        match found {
            Some(delivery) if delivery.status.is_waiting() => {
                if delivery.status == DeliveryStatus::Retrying {
                    let mut ahead = Ahead::new(ordered, line.done_to);
                    self.park_behind(&mut ahead, &why, self.clock.now()).await?;
                }
                self.park(job, delivery, ordered.endpoint(), why).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What becomes of a message that finds the line taken. One that only says that there is a delivery has said it;
    /// the others come back.
    async fn come_back(
        &self,
        job: &Job,
        worker: &LineWorker,
        receive_count: u32,
    ) -> Result<(), DeliverError> {
        let message = &job.message;
        let was_its_own = receive_count > 1 && worker.delivery == job.delivery_id;
        let wait = if was_its_own {
            worker.until.since(self.clock.now())
        } else if message.renew || message.returned || message.attempt > 1 {
            COME_BACK
        } else {
            return Ok(());
        };
        self.send(job, message.clone().rechecked(), wait.max(COME_BACK)).await
    }

    fn is_at_it(&self, worker: &LineWorker) -> bool {
        worker.since >= self.alone_since && worker.until > self.clock.now()
    }

    /// Takes the line, if it still is as it was read.
    async fn take(&self, job: &Job, ordered: Ordered<'_>, line: &Line) -> Result<Written, DeliverError> {
        let now = self.clock.now();
        let worker = LineWorker { delivery: job.delivery_id, since: now, until: now.after(HELD) };
        self.write_line(ordered, &Line { worker: Some(worker), ..*line }).await
    }

    async fn write_line(&self, ordered: Ordered<'_>, line: &Line) -> Result<Written, DeliverError> {
        let endpoint = ordered.endpoint();
        let now = self.clock.now();
        Ok(self.lines.write(&endpoint.tenant, endpoint.id, ordered.in_order, line, now).await?)
    }
}

impl Job {
    /// The delivery's place in its endpoint's line.
    const fn place(&self) -> Ulid {
        self.delivery_id.event_part()
    }

    /// Whether the message's attempt is the last one on record.
    fn is_on_record(&self, delivery: &Delivery) -> bool {
        !self.message.renew && delivery.attempt_count == self.message.attempt
    }
}

/// Whether a delivery can be attempted now.
fn is_ready(delivery: &Delivery, now: Timestamp) -> bool {
    delivery.status != DeliveryStatus::Retrying || delivery.next_attempt_at.is_none_or(|at| at <= now)
}
