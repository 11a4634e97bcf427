//! Which deliveries are stuck: those that nothing moved for long, and for which their endpoint gives no reason.
//!
//! A delivery with an attempt to come may wait for its turn, because its endpoint has a waiting list, or behind the
//! first one in the line of an ordered endpoint. Otherwise it gets another message.
//!
//! A parked delivery may wait for its endpoint, which is not active or whose circuit is not closed; for a person, who
//! keeps it; or for a drain under way. Otherwise whatever was to release it was lost, and the endpoint's parked
//! deliveries are released once more, as by its circuit: what a person keeps stays. A drain counts as under way for half
//! an hour after it was changed last, also when it is done: what it sent may be in a queue. In a line the first one gets
//! a message instead, and all behind it follow. What a line went past, because it held back the others for too long,
//! goes on when a person asks for it.

use std::collections::HashMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::reconciliation::{is_left_parked, is_stuck};
use postrider_domain::{Delivery, DeliveryId, DeliveryStatus, EndpointId, InOrder, TenantId, Timestamp};

use super::known::{Known, KnownEndpoints, Parking};
use super::{Reconcile, ReconcileError};
use crate::release::is_released;
use crate::stores::lines::Line;

/// How many endpoints are asked about at the same time.
const PARALLEL: usize = 16;

/// A parked delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parked {
    /// Which one.
    pub(super) id: DeliveryId,
    /// Since when.
    pub(super) at: Option<Timestamp>,
}

/// Deliveries of an endpoint that nothing moved for long.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Those with an attempt to come.
    pub(super) waiting: Vec<Delivery>,
    /// Those that are parked.
    pub(super) parked: Vec<Parked>,
}

/// What is stuck, and what moves it.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// How many deliveries.
    pub(super) count: u64,
    /// How many are not counted because they were released lately.
    pub(super) released: u64,
    /// Those that get another message.
    pub(super) again: Vec<Delivery>,
    /// The endpoints whose parked deliveries are released.
    pub(super) release: Vec<EndpointId>,
}

impl Stuck {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.released += other.released;
        self.again.extend(other.again);
        self.release.extend(other.release);
    }
}

impl Reconcile {
    /// Which of these are stuck, and what moves them.
    pub(super) async fn stuck(
        &self,
        tenant: &TenantId,
        suspects: HashMap<EndpointId, Suspects>,
        known: &mut KnownEndpoints,
        now: Timestamp,
    ) -> Result<Stuck, ReconcileError> {
        let asked: Vec<_> = suspects
            .into_iter()
            .map(|(id, suspects)| (id, suspects, known.remove(&id).unwrap_or_default()))
            .collect();
        let mut judged = stream::iter(asked)
            .map(|(id, suspects, mut known)| async move {
                let stuck = self.stuck_of((tenant, id), suspects, &mut known, now).await?;
                Ok::<_, ReconcileError>((id, known, stuck))
            })
            .buffer_unordered(PARALLEL);
        let mut all = Stuck::default();
        while let Some((id, endpoint, stuck)) = judged.try_next().await? {
            known.insert(id, endpoint);
            all.add(stuck);
        }
        Ok(all)
    }

    /// The same of one endpoint.
    async fn stuck_of(
        &self,
        address: (&TenantId, EndpointId),
        suspects: Suspects,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<Stuck, ReconcileError> {
        let basics = self.basics(address, known, now).await?;
        let Suspects { waiting, mut parked } = suspects;
        let mut stuck = Stuck::default();
        if basics.waits_for_its_rate {
            return Ok(stuck);
        }
        let mut parking = Parking::default();
        if !parked.is_empty() || basics.in_order.is_some() {
            parking = self.parking(address, known, now).await?;
        }
        parked.retain(|it| parking.takes_them && is_released(it.at, parking.kept_at));
        let mut unordered = Suspects { waiting, parked };
        if let Some(in_order) = basics.in_order {
            unordered = self.stuck_in_line(address, &in_order, unordered, &parking, &mut stuck, now).await?;
        }
        let Suspects { waiting, parked } = unordered;
        stuck.count += waiting.len() as u64;
        stuck.again.extend(waiting);
        if parking.is_draining {
            stuck.released += parked.len() as u64;
            return Ok(stuck);
        }
        stuck.count += parked.len() as u64;
        if !parked.is_empty() && !std::mem::replace(&mut known.is_released, true) {
            stuck.release.push(address.1);
        }
        Ok(stuck)
    }

    /// Adds what is stuck in the line of an ordered endpoint. Answers what is in no line.
    async fn stuck_in_line(
        &self,
        (tenant, id): (&TenantId, EndpointId),
        in_order: &InOrder,
        suspects: Suspects,
        parking: &Parking,
        stuck: &mut Stuck,
        now: Timestamp,
    ) -> Result<Suspects, ReconcileError> {
        let line = self.lines.get(tenant, id, in_order).await?;
        let begin = Line::from(in_order.since).done_to;
        let is_behind = |id: DeliveryId| id.event_part() > line.done_to;
        let (waiting, others): (Vec<_>, Vec<_>) =
            suspects.waiting.into_iter().partition(|delivery| is_behind(delivery.id));
        let (parked, passed): (Vec<_>, Vec<_>) = suspects.parked.into_iter().partition(|it| is_behind(it.id));
        // What it went past waits for a person; what was accepted before there was a line does not.
        let before = passed.into_iter().filter(|it| it.id.event_part() <= begin).collect();
        let count = (waiting.len() + parked.len()) as u64;
        if count > 0 && !self.line_moves((tenant, id), &line, parking, now).await? {
            stuck.count += count;
            let first_parked = parked.iter().map(|it| it.id).min();
            let first_waiting = waiting.into_iter().min_by_key(|delivery| delivery.id);
            // Whoever gets the message of one deals with all of them.
            stuck.again.extend(match (first_waiting, first_parked) {
                (Some(waiting), parked) if parked.is_none_or(|parked| waiting.id < parked) => Some(waiting),
                (_, Some(parked)) => self.deliveries.get(tenant, parked).await?,
                (first, None) => first,
            });
        }
        Ok(Suspects { waiting: others, parked: before })
    }

    /// Whether somebody is at a line, or its first delivery waits for something that is to come.
    async fn line_moves(
        &self,
        (tenant, id): (&TenantId, EndpointId),
        line: &Line,
        parking: &Parking,
        now: Timestamp,
    ) -> Result<bool, ReconcileError> {
        if line.worker.is_some_and(|worker| worker.until > now) || line.comes_at.is_some_and(|at| at > now) {
            return Ok(true);
        }
        let page = self.deliveries.waiting_after(tenant, id, line.done_to).await?;
        let is_kept = |delivery: &Delivery| {
            delivery.status == DeliveryStatus::Parked && !is_released(delivery.parked_at, parking.kept_at)
        };
        let first = page.deliveries.into_iter().find(|delivery| !is_kept(delivery));
        Ok(first.is_some_and(|first| match first.status {
            DeliveryStatus::Parked => {
                parking.is_draining || (parking.takes_them && !is_left_parked(first.parked_at, now))
            }
            _ => !is_stuck(&first, now),
        }))
    }
}
