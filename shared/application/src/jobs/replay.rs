//! Replaying an event, or an endpoint's deliveries in a range of time, the oldest first.

use std::collections::HashMap;

use postrider_domain::job::{Portion, Replay, ReplayScope, SkipReason};
use postrider_domain::{DeadLetterId, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, Job};

use super::portion::{PAGES, Sending, Step, TOGETHER, readable};
use super::run::{Done, RunJobError};
use crate::ports::TableError;
use crate::redeliver::Redeliver;
use crate::stores::PageRequest;
use crate::stores::events::StoredEvent;

impl Redeliver {
    pub(super) async fn replay_portion(&self, job: &Job, replay: &Replay) -> Result<Done, RunJobError> {
        match replay {
            Replay::Event { event, endpoints } => {
                let Some(stored) = self.events.get(&job.tenant, event).await? else {
                    return Ok(Done::Impossible("the event is not kept any more".to_owned()));
                };
                self.replay_event(job, &stored, endpoints.as_deref()).await
            }
            Replay::Endpoint(scope) => {
                let Some(record) = self.endpoints.get(&job.tenant, scope.target()).await? else {
                    return Ok(Done::Impossible(format!("the endpoint {} was deleted", scope.target())));
                };
                self.replay_endpoint(job, scope, &record.endpoint).await
            }
        }
    }

    async fn replay_endpoint(
        &self,
        job: &Job,
        scope: &ReplayScope,
        target: &Endpoint,
    ) -> Result<Done, RunJobError> {
        let mut sending = Sending::new(self, job);
        let mut cursor = job.cursor.clone();
        let mut goes_on = true;
        for _ in 0..PAGES {
            let limit = sending.room().min(TOGETHER);
            if limit == 0 || !goes_on {
                break;
            }
            let page = self.deliveries.range(&job.tenant, scope, cursor.as_deref(), limit).await?;
            goes_on = page.next.is_some();
            let last = page.deliveries.last().map(|delivery| delivery.id.event_part().to_string());
            self.replay_all(&mut sending, scope, target, page.deliveries).await?;
            cursor = page.next.or(last).or(cursor);
        }
        Ok(Done::Portion(Portion { counts: sending.counts, cursor, goes_on }))
    }

    async fn replay_all(
        &self,
        sending: &mut Sending<'_>,
        scope: &ReplayScope,
        target: &Endpoint,
        mut found: Vec<Delivery>,
    ) -> Result<(), RunJobError> {
        // What this job has begun has another status by now.
        let is_own = |delivery: &Delivery| delivery.renewed_by == Some(sending.job.id);
        found.retain(|delivery| scope.admits(delivery.status, &delivery.event_type) || is_own(delivery));
        let events = found.iter().map(|delivery| delivery.event_id.clone());
        let events = self.events.look_up(&sending.job.tenant, events).await?;
        let others = self.at_target(sending.job, scope, &found).await?;
        let mut redriven = Vec::new();
        for delivery in &found {
            let existing = match &others {
                None => Some(delivery),
                Some(others) => others.get(&at(target.id, delivery)),
            };
            let is_left_alone = |existing: &Delivery| !is_own(existing) && scope.leaves_alone(existing);
            let step = if existing.is_some_and(is_left_alone) {
                Step::Skip(SkipReason::UnderWay)
            } else {
                let stored = readable(&events, &delivery.event_id);
                stored.map_or_else(|step| step, |stored| sending.deliver(stored, target, existing))
            };
            if sending.take(step) {
                redriven.extend(existing.and_then(|existing| given_up(existing, sending.job)));
            }
        }
        sending.flush().await?;
        Ok(self.mark_all(sending.job, redriven).await?)
    }

    /// The deliveries that another endpoint has of the same events.
    async fn at_target(
        &self,
        job: &Job,
        scope: &ReplayScope,
        deliveries: &[Delivery],
    ) -> Result<Option<HashMap<DeliveryId, Delivery>>, TableError> {
        let Some(to) = scope.to_endpoint.filter(|to| *to != scope.endpoint) else { return Ok(None) };
        let ids = deliveries.iter().map(|delivery| at(to, delivery));
        Ok(Some(self.deliveries.get_many(&job.tenant, ids).await?))
    }

    async fn replay_event(
        &self,
        job: &Job,
        stored: &StoredEvent,
        named: Option<&[EndpointId]>,
    ) -> Result<Done, RunJobError> {
        let mut sending = Sending::new(self, job);
        let mut cursor = job.cursor.clone();
        let mut goes_on = true;
        for _ in 0..PAGES {
            let limit = sending.room().min(TOGETHER);
            if limit == 0 || !goes_on {
                break;
            }
            let page = self.endpoints_after(job, named, cursor.as_deref(), limit).await?;
            goes_on = page.goes_on;
            self.replay_to(&mut sending, stored, named.is_some(), &page).await?;
            cursor = page.ids.last().map(ToString::to_string).or(cursor);
        }
        Ok(Done::Portion(Portion { counts: sending.counts, cursor, goes_on }))
    }

    async fn replay_to(
        &self,
        sending: &mut Sending<'_>,
        stored: &StoredEvent,
        is_named: bool,
        page: &EndpointPage,
    ) -> Result<(), RunJobError> {
        let id_at = |endpoint| DeliveryId::derive(stored.event.accepted_at, &stored.event.id, endpoint);
        let ids = page.ids.iter().map(|id| id_at(*id));
        let deliveries = self.deliveries.get_many(&sending.job.tenant, ids).await?;
        let mut redriven = Vec::new();
        for id in &page.ids {
            let existing = deliveries.get(&id_at(*id));
            let is_pending = |delivery: &Delivery| {
                delivery.status == DeliveryStatus::Pending && delivery.renewed_by != Some(sending.job.id)
            };
            let step = match (page.found.get(id), existing) {
                (None, _) => Step::Skip(SkipReason::EndpointDeleted),
                (Some(_), None) if !is_named => continue,
                (Some(_), Some(existing)) if is_pending(existing) => Step::Skip(SkipReason::UnderWay),
                (Some(endpoint), existing) => sending.deliver(stored, endpoint, existing),
            };
            if sending.take(step) {
                redriven.extend(existing.and_then(|existing| given_up(existing, sending.job)));
            }
        }
        sending.flush().await?;
        Ok(self.mark_all(sending.job, redriven).await?)
    }

    /// The next endpoints: those that were named, or all of the tenant's.
    async fn endpoints_after(
        &self,
        job: &Job,
        named: Option<&[EndpointId]>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EndpointPage, TableError> {
        if let Some(named) = named {
            let left = named.iter().filter(|id| after.is_none_or(|after| *id.to_string() > *after));
            let ids: Vec<_> = left.clone().take(limit).copied().collect();
            let found = self.endpoints_of(&job.tenant, ids.iter().copied()).await?;
            return Ok(EndpointPage { goes_on: left.count() > limit, ids, found });
        }
        let request = PageRequest { limit, after: after.map(str::to_owned) };
        let page = self.endpoints.list(&job.tenant, request).await?;
        let found: HashMap<_, _> =
            page.items.into_iter().map(|record| (record.endpoint.id, record.endpoint)).collect();
        let mut ids: Vec<_> = found.keys().copied().collect();
        ids.sort_unstable();
        Ok(EndpointPage { goes_on: page.next.is_some(), ids, found })
    }
}

/// Some endpoints, in the order of their ids.
struct EndpointPage {
    ids: Vec<EndpointId>,
    found: HashMap<EndpointId, Endpoint>,
    goes_on: bool,
}

/// The id of the delivery of the same event to another endpoint.
fn at(endpoint: EndpointId, delivery: &Delivery) -> DeliveryId {
    DeliveryId::from_parts(delivery.id.event_part(), endpoint)
}

/// The dead letter that a delivery was when it was read, unless this job has begun it since.
fn given_up(delivery: &Delivery, job: &Job) -> Option<DeadLetterId> {
    let is_given_up = delivery.status == DeliveryStatus::Failed && delivery.renewed_by != Some(job.id);
    delivery.dead_letter.filter(|_| is_given_up)
}
