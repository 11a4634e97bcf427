//! Ordered endpoints: their deliveries go one after the other, in the order in which their events were accepted,
//! and one that is tried again holds back those behind it.
//!
//! The order is that of the ledger, not of messages: a message only says that there is something in the line. The
//! worker that takes the line (one item, written on a condition) deals with the oldest delivery that waits, then
//! with the next one. Whoever finds the line taken goes away; who leaves the line looks once more for those who
//! went away meanwhile. So each delivery that waits is either behind one whose own message is on its way, or
//! somebody is at it. Should both be lost, those who went away come back to see.
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
use crate::ports::queue::MAX_DELAY;
use crate::stores::lines::{Line, LineWorker, Written};

/// For how long a worker goes through a line before it hands on to the next message.
const RUN: Duration = Duration::from_secs(15);

/// After how much time a worker that has not left a line is taken to have died: its last attempt begins within
/// [`RUN`] and waits for a token of the endpoint's rate before.
const HELD: Duration = RUN.saturating_add(CLAIM).saturating_add(Duration::from_secs(10));

/// When a message comes back to a line that is taken, if it says more than that there is a delivery.
const COME_BACK: Duration = Duration::from_secs(1);

/// When a message comes back whose delivery has to wait for others, in case that nobody else sees to it.
const SEE_AGAIN: Duration = MAX_DELAY;

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
    /// It is over, and nobody asks for it.
    Over(Box<Delivery>),
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
        // Whether the message has nothing more to do for its own delivery, and must not be sent again for it.
        let mut is_done = false;
        for _ in 0..SAVE_TRIES {
            match self.standing(job, ordered, &line, receive_count).await? {
                Standing::Outside if is_done => {}
                Standing::Outside => {
                    self.alone(job, Some(open), receive_count).await?;
                    is_done = true;
                    if job.place() <= line.done_to && receive_count == 1 {
                        return Ok(());
                    }
                    // It may have been all that the line was waiting for, or its worker have broken off behind it.
                }
                Standing::Over(delivery) => {
                    is_done = true;
                    if receive_count == 1 {
                        return Ok(());
                    }
                    if job.is_on_record(&delivery) {
                        self.follow_up_again(job, &delivery).await?;
                    }
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
                    is_done |= delivery.as_deref().is_some_and(|delivery| !delivery.status.awaits_attempt());
                    let on_record = delivery.as_deref().filter(|delivery| job.is_on_record(delivery));
                    if let Some(delivery) = on_record.filter(|_| receive_count > 1) {
                        // Its worker may have died before what follows.
                        self.follow_up_again(job, delivery).await?;
                    }
                    if let Some(why) = self.gate.refuses(ordered.endpoint()).await? {
                        return self.park_waiting(job, ordered, &line, delivery, why).await;
                    }
                }
            }
            if let Some(worker) = line.worker.filter(|worker| self.is_at_it(worker)) {
                return self.come_back(job, &worker, receive_count, is_done).await;
            }
            let broke_off = receive_count > 1 || line.worker.is_some();
            let head = if broke_off {
                self.make_good(ordered, &line).await?;
                self.look_again(ordered, line.from, &line).await?
            } else {
                Ahead::new(ordered, line.done_to).next(self).await?
            };
            let Some(head) = head else { return Ok(()) };
            // Of one that is not ready the message is on its way, unless somebody broke off before it was sent.
            if !is_ready(&line, &head, self.clock.now()) && !broke_off {
                // Of the first one the message is on its way.
                let waits_behind = !is_done && head.id != job.delivery_id;
                return if waits_behind { self.see_again(job).await } else { Ok(()) };
            }
            match self.take(job, ordered, &line).await? {
                Written::Yes(taken) => {
                    return self.go_through(job, ordered, taken, line.from, is_done).await;
                }
                Written::Changed(current) => line = current,
            }
        }
        Err(DeliverError::Contended(job.delivery_id))
    }

    /// Where the delivery of a message stands. It is read when it cannot be new, or when others went past it.
    async fn standing(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        line: &Line,
        receive_count: u32,
    ) -> Result<Standing, DeliverError> {
        let message = &job.message;
        let is_behind = job.place() > line.done_to;
        let is_new = message.attempt == 1 && receive_count == 1 && !message.recheck && !message.renew;
        if is_behind && is_new {
            return Ok(Standing::InLine(None));
        }
        let Some(delivery) = self.deliveries.get(&job.event.tenant, job.delivery_id).await? else {
            return Ok(Standing::Outside);
        };
        // What was accepted before the endpoint was ordered is in no line.
        let belongs = job.place() > Line::from(ordered.in_order.since).done_to;
        let awaits_attempt = delivery.status.awaits_attempt();
        let can_return = delivery.status == DeliveryStatus::Parked && belongs;
        Ok(match is_behind {
            // What is asked for again although it is over has no place any more.
            true if message.renew && !awaits_attempt => Standing::Outside,
            true => Standing::InLine(Some(Box::new(delivery))),
            false if !message.renew && !awaits_attempt => Standing::Over(Box::new(delivery)),
            // Not for a message that was late: its attempt is over.
            false if can_return && !message.renew && message.attempt > delivery.attempt_count => {
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
            Some(delivery) => Some(delivery),
            None => self.deliveries.get(&job.event.tenant, job.delivery_id).await?.map(Box::new),
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

    /// What becomes of a message that finds the line taken. One that only says that there is a delivery has said it.
    async fn come_back(
        &self,
        job: &Job,
        worker: &LineWorker,
        receive_count: u32,
        is_done: bool,
    ) -> Result<(), DeliverError> {
        let message = &job.message;
        let was_its_own = receive_count > 1 && worker.delivery == job.delivery_id;
        let wait = if was_its_own {
            worker.until.since(self.clock.now())
        } else if is_done {
            return Ok(());
        } else if message.renew || message.slot_interval().is_some() || message.attempt > 1 {
            COME_BACK
        } else {
            SEE_AGAIN
        };
        self.send(job, message.clone().rechecked(), wait.max(COME_BACK)).await
    }

    /// Sends a message again whose delivery waits behind others.
    async fn see_again(&self, job: &Job) -> Result<(), DeliverError> {
        self.send(job, job.message.clone().rechecked(), SEE_AGAIN).await
    }

    fn is_at_it(&self, worker: &LineWorker) -> bool {
        worker.since >= self.alone_since && worker.until > self.clock.now()
    }

    /// Takes the line, if it still is as it was read.
    async fn take(&self, job: &Job, ordered: Ordered<'_>, line: &Line) -> Result<Written, DeliverError> {
        let now = self.clock.now();
        let worker = LineWorker { delivery: job.delivery_id, since: now, until: now.after(HELD) };
        let from = line.done_to;
        self.write_line(ordered, &Line { worker: Some(worker), from, comes_at: None, ..*line }).await
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
    const fn is_on_record(&self, delivery: &Delivery) -> bool {
        delivery.attempt_count == self.message.attempt
    }
}

/// Whether the first delivery of a line can be attempted now.
fn is_ready(line: &Line, delivery: &Delivery, now: Timestamp) -> bool {
    line.comes_at.is_none_or(|at| at <= now) && is_due(delivery, now)
}

/// Whether a delivery's next attempt is due.
fn is_due(delivery: &Delivery, now: Timestamp) -> bool {
    delivery.status != DeliveryStatus::Retrying || delivery.next_attempt_at.is_none_or(|at| at <= now)
}
