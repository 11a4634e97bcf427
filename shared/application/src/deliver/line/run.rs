//! Going through a line that was taken.

use std::time::Duration;

use postrider_domain::id::Ulid;
use postrider_domain::{Delivery, DeliveryStatus, Timestamp};

use super::{Ahead, Ordered, RUN, is_due, is_ready};
use crate::deliver::record::failure_of;
use crate::deliver::room::Reserved;
use crate::deliver::{CLAIM, Deliver, DeliverError, Job, SAVE_TRIES};
use crate::messages::DeliverMessage;
use crate::redeliver::message_for;
use crate::stores::deliveries::Saved;
use crate::stores::lines::{Blocked, Line, LineWorker, Written};

/// Why a worker goes no further.
enum Stopped {
    /// Nothing waits, or what waits has a message of its own.
    Done,
    /// The endpoint takes nothing now.
    Refused,
    /// The time is up before this delivery.
    OutOfTime(Box<Job>),
}

/// What became of the first delivery of a line.
enum Step {
    /// It is over: the next one's turn.
    Next,
    /// It holds back the others.
    Blocked,
    /// The endpoint takes nothing now, for this reason.
    Refused(String),
    /// It was changed meanwhile: it has to be looked at again.
    Again,
}

impl Deliver {
    /// Deals with what waits in a line that was taken, and leaves it. The worker before began at `first`.
    pub(super) async fn go_through(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        line: Line,
        first: Ulid,
        is_done: bool,
    ) -> Result<(), DeliverError> {
        let left = self.work_on(job, ordered, line, first).await?;
        let is_first = left.blocked.is_some_and(|blocked| blocked.by == job.delivery_id);
        if is_done || is_first || job.place() <= left.done_to {
            return Ok(());
        }
        // It waits behind others now, as those do that found the line taken.
        self.see_again(job).await
    }

    /// Goes through the line until there is nothing to be done now. Answers it as it was left.
    async fn work_on(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        mut line: Line,
        mut first: Ulid,
    ) -> Result<Line, DeliverError> {
        let begun = self.clock.now();
        loop {
            let stopped = self.deal_with_line(job, ordered, &mut line, begun).await;
            let is_left = self.leave(ordered, &mut line, stopped.is_err()).await;
            let (stopped, is_left) = (stopped?, is_left?);
            if let Stopped::OutOfTime(next) = stopped {
                self.look_again(ordered, first, &line).await?;
                self.send(&next, next.message.clone().rechecked(), Duration::ZERO).await?;
                return Ok(line);
            }
            let refused = matches!(stopped, Stopped::Refused);
            if !is_left || (refused && self.gate.passes_after_all(ordered.endpoint()).await?.is_none()) {
                return Ok(line);
            }
            // Who came meanwhile went away.
            let Some(head) = self.look_again(ordered, first, &line).await? else { return Ok(line) };
            if !is_ready(&line, &head, self.clock.now()) {
                return Ok(line);
            }
            first = line.from;
            match self.take_again(job, ordered, line).await? {
                Some(taken) => line = taken,
                None => return Ok(line),
            }
        }
    }

    /// Sends what follows from the ends of deliveries, which a worker that broke off may have recorded last.
    pub(super) async fn make_good(&self, ordered: Ordered<'_>, line: &Line) -> Result<(), DeliverError> {
        let endpoint = ordered.endpoint();
        let mut next = Some(line.from.min(line.done_to));
        while let Some(after) = next {
            let page = self.deliveries.in_line_after(&endpoint.tenant, endpoint.id, after).await?;
            for delivery in page.deliveries.iter().filter(|it| it.status == DeliveryStatus::Failed) {
                self.give_up(delivery, failure_of(delivery)).await?;
            }
            next = page.next;
        }
        Ok(())
    }

    /// What waits in a line that was left. Those that came between the ones that were dealt with go on outside of it.
    pub(super) async fn look_again(
        &self,
        ordered: Ordered<'_>,
        first: Ulid,
        line: &Line,
    ) -> Result<Option<Delivery>, DeliverError> {
        let mut ahead = Ahead::new(ordered, first.min(line.done_to));
        while let Some(delivery) = ahead.next(self).await? {
            if delivery.id.event_part() > line.done_to {
                return Ok(Some(delivery));
            }
            if !delivery.status.is_waiting() || delivery.claimed_at.is_some() {
                continue;
            }
            if let Some(message) = self.message_of(ordered, &delivery).await? {
                let job = Job::read(message.rechecked())?;
                self.send(&job, job.message.clone(), Duration::ZERO).await?;
            }
        }
        Ok(None)
    }

    async fn take_again(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        mut line: Line,
    ) -> Result<Option<Line>, DeliverError> {
        for _ in 0..SAVE_TRIES {
            match self.take(job, ordered, &line).await? {
                Written::Yes(taken) => return Ok(Some(taken)),
                Written::Changed(now) if now.worker.is_some_and(|worker| self.is_at_it(&worker)) => {
                    return Ok(None);
                }
                Written::Changed(now) => line = now,
            }
        }
        Err(DeliverError::Contended(job.delivery_id))
    }

    /// Leaves the line where it has come to, or further back, where something came in before. Who breaks off leaves it
    /// as if they had died, so that the next one sees to what may be missing. Answers whether it was held until then.
    async fn leave(
        &self,
        ordered: Ordered<'_>,
        line: &mut Line,
        breaks_off: bool,
    ) -> Result<bool, DeliverError> {
        let own = line.worker;
        let worker = own.filter(|_| breaks_off).map(|own| LineWorker { until: own.since, ..own });
        if breaks_off {
            line.done_to = line.from;
        }
        for _ in 0..SAVE_TRIES {
            match self.write_line(ordered, &Line { worker, ..*line }).await? {
                Written::Yes(left) => {
                    *line = left;
                    return Ok(true);
                }
                Written::Changed(now) if now.worker == own => {
                    line.done_to = line.done_to.min(now.done_to);
                    line.version = now.version;
                }
                // It took so long that somebody else has taken over.
                Written::Changed(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    async fn deal_with_line(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        line: &mut Line,
        begun: Timestamp,
    ) -> Result<Stopped, DeliverError> {
        let mut ahead = Ahead::new(ordered, line.done_to);
        while let Some(delivery) = ahead.next(self).await? {
            let place = delivery.id.event_part();
            let step = match self.job_for(job, ordered, &delivery).await? {
                Some(job) if self.clock.now().since(begun) >= RUN => {
                    return Ok(Stopped::OutOfTime(Box::new(job)));
                }
                Some(job) => self.step(&job, ordered, line, delivery).await?,
                None => self.expire(delivery).await?,
            };
            match step {
                Step::Next => (line.done_to, line.blocked) = (place, None),
                Step::Again => ahead = Ahead::new(ordered, line.done_to),
                Step::Blocked => return Ok(Stopped::Done),
                Step::Refused(why) => {
                    line.blocked = None;
                    self.park_behind(&mut ahead, &why, begun).await?;
                    return Ok(Stopped::Refused);
                }
            }
        }
        Ok(Stopped::Done)
    }

    /// Deals with the first delivery of a line.
    async fn step(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        line: &mut Line,
        mut delivery: Delivery,
    ) -> Result<Step, DeliverError> {
        let now = self.clock.now();
        let wait = match delivery.claimed_at.filter(|at| *at >= self.alone_since) {
            // Somebody was asked for it when it was not in the line.
            Some(at) if at.after(CLAIM) > now => Some(at.after(CLAIM)),
            _ if !is_due(&delivery, now) => delivery.next_attempt_at,
            _ => None,
        };
        if let Some(at) = wait {
            if delivery.due_at.is_none() {
                let message = job.message.clone().attempt_at(delivery.attempt_count + 1, Some(at));
                self.send(job, message.rechecked(), at.since(now)).await?;
                line.comes_at = Some(at);
            }
            return Ok(Step::Blocked);
        }
        // The time of a run is too short to wait for room.
        let room = self.room_for(job, Some(ordered.open), 2, Duration::ZERO).await?;
        line.comes_at = match room {
            Reserved::Later(at) => Some(at),
            Reserved::Nothing | Reserved::Room { .. } => {
                self.comes_back_at(job, Some(ordered.open), 2).await?
            }
        };
        if line.comes_at.is_some() {
            return Ok(Step::Blocked);
        }
        let attempts_before = delivery.attempt_count;
        let blocked_since =
            line.blocked.filter(|blocked| blocked.by == delivery.id).map_or(now, |blocked| blocked.since);
        let blocked = Blocked { by: delivery.id, since: blocked_since };
        if job.message.renew {
            delivery.restart(now);
            delivery.renewed_by = job.message.job;
        }
        let gives_way_at = blocked_since.after(ordered.in_order.max_blocked);
        let Some(after) = self.attempt(job, Box::new(delivery), Some(gives_way_at)).await? else {
            return Ok(Step::Again);
        };
        Ok(match after.status {
            DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Cancelled => Step::Next,
            DeliveryStatus::Parked if after.attempt_count > attempts_before => Step::Next,
            DeliveryStatus::Parked => Step::Refused(after.error.unwrap_or_default()),
            DeliveryStatus::Pending | DeliveryStatus::Retrying => {
                line.blocked = Some(blocked);
                Step::Blocked
            }
        })
    }

    /// What is known of a delivery's event: from the message if it is the message's, otherwise from the ledger. `None`
    /// when the event is not kept any more.
    async fn job_for(
        &self,
        job: &Job,
        ordered: Ordered<'_>,
        delivery: &Delivery,
    ) -> Result<Option<Job>, DeliverError> {
        if delivery.id == job.delivery_id {
            let is_current = job.message.attempt == delivery.attempt_count + 1;
            let message = job.message.clone();
            let message =
                if is_current { message } else { message.attempt_at(delivery.attempt_count + 1, None) };
            let (event, payload, delivery_id) = (job.event.clone(), job.payload.clone(), job.delivery_id);
            return Ok(Some(Job { message, event, payload, delivery_id }));
        }
        let message = self.message_of(ordered, delivery).await?;
        message.map(|message| Job::read(message.rechecked())).transpose()
    }

    /// The message for a delivery's next attempt; `None` when its event is not kept any more.
    async fn message_of(
        &self,
        ordered: Ordered<'_>,
        delivery: &Delivery,
    ) -> Result<Option<DeliverMessage>, DeliverError> {
        Ok(message_for(&self.events, delivery, ordered.endpoint().version).await?)
    }

    /// Ends a delivery of which there is nothing to send.
    async fn expire(&self, mut delivery: Delivery) -> Result<Step, DeliverError> {
        delivery.cancel("its event is not kept any more");
        match self.deliveries.save(&delivery).await? {
            Saved::Yes => Ok(Step::Next),
            Saved::Changed(_) => Ok(Step::Again),
        }
    }

    /// Parks what waits behind a delivery that the endpoint did not take, so that it can be seen and decided upon.
    pub(super) async fn park_behind(
        &self,
        ahead: &mut Ahead<'_>,
        why: &str,
        begun: Timestamp,
    ) -> Result<(), DeliverError> {
        while self.clock.now().since(begun) < RUN {
            let Some(mut delivery) = ahead.next(self).await? else { break };
            if delivery.status.is_waiting() {
                delivery.park(why, self.clock.now());
                self.deliveries.save(&delivery).await?;
            }
        }
        Ok(())
    }
}
