//! Redriving dead letters by a filter, the latest first.

use std::collections::HashMap;

use postrider_domain::job::{Portion, Redrive, SkipReason};
use postrider_domain::{Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, Job, JobId, TenantId};

use super::portion::{FoundEvents, PAGES, Sending, Step, TOGETHER, readable};
use super::run::{Done, RunJobError};
use crate::ports::{QueueName, TableError};
use crate::redeliver::Redeliver;
use crate::stores::PageRequest;
use crate::stores::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterState};
use crate::stores::events::StoredEvent;

/// What the dead letters of a page are about.
struct Loaded {
    deliveries: HashMap<DeliveryId, Delivery>,
    endpoints: HashMap<EndpointId, Endpoint>,
    events: FoundEvents,
}

/// The list that a redrive works through. What the job has marked before stays in it, so that a portion that is
/// repeated counts the same.
pub(super) fn filter(redrive: &Redrive, job: Option<JobId>) -> DeadLetterFilter {
    DeadLetterFilter {
        state: Some(DeadLetterState::Pending),
        endpoint: redrive.endpoint,
        event_type: redrive.event_type.clone(),
        reason: redrive.reason,
        since: redrive.since,
        until: redrive.until,
        or_of_job: job,
    }
}

impl Redeliver {
    pub(super) async fn redrive_portion(&self, job: &Job, redrive: &Redrive) -> Result<Done, RunJobError> {
        let filter = filter(redrive, Some(job.id));
        let mut sending = Sending::new(self, job);
        let mut cursor = job.cursor.clone();
        let mut goes_on = true;
        for _ in 0..PAGES {
            let limit = sending.room().min(TOGETHER);
            if limit == 0 || !goes_on {
                break;
            }
            let request = PageRequest { limit, after: cursor.clone() };
            let page = self.dead_letters.list(&job.tenant, &filter, request).await?;
            goes_on = page.next.is_some();
            let last = page.items.last().map(|letter| letter.id.to_string());
            self.redrive_all(&mut sending, page.items).await?;
            cursor = page.next.or(last).or(cursor);
        }
        Ok(Done::Portion(Portion { counts: sending.counts, cursor, goes_on }))
    }

    /// Sends what dead letters stand for, and only then marks them.
    async fn redrive_all(
        &self,
        sending: &mut Sending<'_>,
        letters: Vec<DeadLetter>,
    ) -> Result<(), RunJobError> {
        let loaded = self.load(&sending.job.tenant, &letters).await?;
        let mut redriven = Vec::new();
        for letter in letters.into_iter().filter(|letter| !is_own(sending.job, letter, &loaded)) {
            let step = self.step(sending, &letter, &loaded);
            // What is on its way already needs nobody's attention any more, either.
            let is_settled = matches!(
                step,
                Step::Skip(SkipReason::Delivered | SkipReason::UnderWay | SkipReason::GivenUpAgain)
            );
            if (sending.take(step) || is_settled) && letter.state == DeadLetterState::Pending {
                redriven.push(letter.id);
            }
        }
        sending.flush().await?;
        Ok(self.mark_all(sending.job, redriven).await?)
    }

    async fn load(&self, tenant: &TenantId, letters: &[DeadLetter]) -> Result<Loaded, TableError> {
        let ids: Vec<_> = letters.iter().filter_map(|letter| letter.delivery).collect();
        let endpoints = self.endpoints_of(tenant, ids.iter().map(|id| id.endpoint())).await?;
        let events = letters.iter().filter_map(|letter| letter.event_id.clone());
        Ok(Loaded {
            deliveries: self.deliveries.get_many(tenant, ids).await?,
            endpoints,
            events: self.events.look_up(tenant, events).await?,
        })
    }

    fn step(&self, sending: &Sending<'_>, letter: &DeadLetter, loaded: &Loaded) -> Step {
        if letter.state != DeadLetterState::Pending {
            // Marked by this job, so its message was sent.
            return Step::Sent;
        }
        let Some(event) = &letter.event_id else { return Step::Skip(SkipReason::Unreadable) };
        let stored = readable(&loaded.events, event);
        let Some(id) = letter.delivery else {
            return stored.map_or_else(|step| step, match_again);
        };
        let Some(delivery) = loaded.deliveries.get(&id) else {
            return Step::Skip(SkipReason::DeliveryExpired);
        };
        if delivery.renewed_by == Some(sending.job.id) {
            return Step::Sent;
        }
        match delivery.status {
            DeliveryStatus::Failed if delivery.dead_letter == Some(letter.id) => {}
            DeliveryStatus::Failed => return Step::Skip(SkipReason::GivenUpAgain),
            DeliveryStatus::Delivered => return Step::Skip(SkipReason::Delivered),
            _ => return Step::Skip(SkipReason::UnderWay),
        }
        let Some(endpoint) = loaded.endpoints.get(&id.endpoint()) else {
            return Step::Skip(SkipReason::EndpointDeleted);
        };
        stored.map_or_else(|step| step, |stored| sending.deliver(stored, endpoint, Some(delivery)))
    }
}

/// Whether a dead letter is what became of the job's own attempt. By a clock that is behind it seems to be older than the
/// job; it stays pending.
fn is_own(job: &Job, letter: &DeadLetter, loaded: &Loaded) -> bool {
    let delivery = letter.delivery.and_then(|id| loaded.deliveries.get(&id));
    delivery.is_some_and(|delivery| {
        delivery.renewed_by == Some(job.id)
            && delivery.status == DeliveryStatus::Failed
            && delivery.dead_letter == Some(letter.id)
    })
}

/// An event that could not be matched goes through fan-out again, which finds what it has done.
fn match_again(stored: &StoredEvent) -> Step {
    Step::Send(QueueName::Events, stored.fan_out().into())
}
