//! A portion of an hour: its events, what they matched, and what became of the deliveries.

use std::collections::{HashMap, HashSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::id::Ulid;
use postrider_domain::reconciliation::{Counts, Findings, Matched, STUCK_AFTER, is_left_parked, is_stuck};
use postrider_domain::{
    DeliveryId, DeliveryStatus, EndpointId, EventId, Reconciliation, TenantId, Timestamp,
};

use super::known::KnownEndpoints;
use super::stuck::{Parked, Suspects};
use super::{Reconcile, ReconcileError};
use crate::stores::delivery_range::Standing;
use crate::stores::event_range::AcceptedEvent;
use crate::stores::events::{ScheduleState, StoredEvent};

/// How many events are asked for at a time, in each of the partitions that they are spread over.
const EVENTS: u32 = 500;

/// About how many deliveries are looked at at a time.
const DELIVERIES: usize = 20_000;

/// From how many deliveries of an endpoint on they are read as a range rather than one by one.
const RANGE_FROM: usize = 8;

/// How many endpoints, or portions of a hundred deliveries, are read at the same time.
const PARALLEL: usize = 16;

/// How many of those that are read one by one are in one request.
const ONE_BY_ONE: usize = 100;

/// How many messages are sent again in one look at an hour, at the most.
const REPAIRS: u64 = 10_000;

/// A range of time with its events.
struct Portion {
    from: Timestamp,
    until: Timestamp,
    events: HashMap<Ulid, Expected>,
}

/// An event, and what is known of its endpoints.
struct Expected {
    id: EventId,
    matched: Matched,
}

/// What was found in a portion.
#[derive(Default)]
struct Found {
    counts: Counts,
    /// The events of which something is missing.
    lacking: HashSet<Ulid>,
    /// The deliveries that nothing moved for long.
    suspects: HashMap<EndpointId, Suspects>,
}

impl Reconcile {
    /// Looks at an hour from a moment on, and repairs what is missing. Answers what it found, and how far it got.
    pub(super) async fn look_at_portion(
        &self,
        hour: &Reconciliation,
        from: Timestamp,
        repaired_before: u64,
        known: &mut KnownEndpoints,
    ) -> Result<(Findings, Timestamp), ReconcileError> {
        let (tenant, now) = (&hour.tenant, self.clock.now());
        let portion = self.portion(tenant, from, hour.hour.ends_at()).await?;
        let mut found = self.find(tenant, &portion, now).await?;
        let mut findings = Findings::default();
        let unmatched = portion.events.iter().filter(|(_, event)| !event.matched.is_complete);
        let unmatched: HashSet<Ulid> = unmatched.map(|(key, _)| *key).collect();
        let mut room = REPAIRS.saturating_sub(repaired_before);
        let asked: Vec<Ulid> = unmatched.union(&found.lacking).copied().collect();
        for keys in asked.chunks(ONE_BY_ONE) {
            let ids = keys.iter().map(|key| portion.events[key].id.clone());
            let stored = self.events.get_many(tenant, ids).await?;
            let mut again = Vec::new();
            for key in keys {
                // One that is gone has expired, or was taken back.
                let Some(stored) = stored.get(&portion.events[key].id) else {
                    found.counts.accepted -= 1;
                    continue;
                };
                let is_unmatched = unmatched.contains(key);
                match standing(stored, now) {
                    _ if !is_unmatched => again.push(stored),
                    EventStanding::Over => {}
                    EventStanding::ToBegin => {
                        found.counts.scheduled += 1;
                        findings.last_begins_at = findings.last_begins_at.max(Some(stored.event.begins_at()));
                    }
                    EventStanding::Lost => {
                        found.counts.events_missing += 1;
                        again.push(stored);
                    }
                }
            }
            findings.has_more |= again.len() as u64 > room;
            again.truncate(room as usize);
            room -= self.match_again(tenant, &again).await?;
        }
        let stuck = self.stuck(tenant, found.suspects, known, now).await?;
        (findings.stuck, findings.released) = (stuck.count, stuck.released);
        findings.has_more |= (stuck.again.len() + stuck.release.len()) as u64 > room;
        room -= self.send_again(first(&stuck.again, room)).await?;
        room -= self.release_again(tenant, first(&stuck.release, room)).await?;
        findings.repaired = REPAIRS.saturating_sub(repaired_before) - room;
        findings.counts = found.counts;
        Ok((findings, portion.until))
    }

    /// The next events of an hour with what is known of their endpoints.
    async fn portion(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        end: Timestamp,
    ) -> Result<Portion, ReconcileError> {
        let range = self.events.accepted(tenant, from, end, EVENTS).await?;
        if range.events.is_empty() {
            return Ok(Portion { from, until: range.until, events: HashMap::new() });
        }
        let mut manifests = self.manifests.of_range(tenant, from, range.until).await?;
        let mut until = manifests.until;
        let (mut events, mut deliveries) = (HashMap::new(), 0);
        let first_at = range.events.first().map(|event| event.accepted_at);
        for AcceptedEvent { id, accepted_at } in range.events {
            // All events of a moment belong to one portion, however many deliveries they have.
            if deliveries >= DELIVERIES && Some(accepted_at) != first_at {
                until = until.min(accepted_at);
            }
            if accepted_at >= until {
                break;
            }
            let key = DeliveryId::event_part_of(accepted_at, &id);
            let matched = Matched::of(manifests.events.remove(&key).unwrap_or_default());
            deliveries += matched.endpoints.len();
            events.insert(key, Expected { id, matched });
        }
        // Those that were taken before it was known that the portion ends at their moment.
        events.retain(|key: &Ulid, _| key.timestamp_ms() < until.as_millis());
        Ok(Portion { from, until, events })
    }

    /// Looks for the deliveries that there should be.
    async fn find(
        &self,
        tenant: &TenantId,
        portion: &Portion,
        now: Timestamp,
    ) -> Result<Found, ReconcileError> {
        let mut found = Found::default();
        found.counts.accepted = portion.events.len() as u64;
        let mut expected: HashMap<EndpointId, Vec<Ulid>> = HashMap::new();
        for (key, event) in &portion.events {
            for endpoint in &event.matched.endpoints {
                expected.entry(*endpoint).or_default().push(*key);
            }
        }
        let (many, few): (Vec<_>, Vec<_>) =
            expected.into_iter().partition(|(_, keys)| keys.len() >= RANGE_FROM);
        let mut ranges = stream::iter(many)
            .map(|(endpoint, keys)| async move {
                let (from, until) = (portion.from, portion.until);
                let standings = self.deliveries.standings(tenant, endpoint, from, until).await;
                standings.map(|standings| (endpoint, keys, standings))
            })
            .buffer_unordered(PARALLEL);
        let is_required =
            |id: DeliveryId| portion.events[&id.event_part()].matched.required.contains(&id.endpoint());
        while let Some((endpoint, keys, standings)) = ranges.try_next().await? {
            let mut there: HashMap<Ulid, Standing> =
                standings.into_iter().map(|standing| (standing.event, standing)).collect();
            for key in keys {
                let id = DeliveryId::from_parts(key, endpoint);
                found.take(id, there.remove(&key), is_required(id), now);
            }
        }
        let few = few.into_iter().flat_map(|(endpoint, keys)| {
            keys.into_iter().map(move |key| DeliveryId::from_parts(key, endpoint))
        });
        let few: Vec<DeliveryId> = few.collect();
        let few: Vec<Vec<DeliveryId>> = few.chunks(ONE_BY_ONE).map(<[_]>::to_vec).collect();
        let mut read = stream::iter(few)
            .map(|ids| async move {
                let there = self.deliveries.get_many(tenant, ids.iter().copied()).await;
                there.map(|there| (ids, there))
            })
            .buffer_unordered(PARALLEL);
        while let Some((ids, mut there)) = read.try_next().await? {
            for id in ids {
                found.take(id, there.remove(&id).map(Standing::of), is_required(id), now);
            }
        }
        Ok(found)
    }
}

impl Found {
    /// Takes in how a delivery stands, if it is there; if not, whether it has to be.
    fn take(&mut self, id: DeliveryId, standing: Option<Standing>, is_required: bool, now: Timestamp) {
        self.counts.matched += u64::from(is_required || standing.is_some());
        let Some(standing) = standing else {
            if is_required {
                self.lacking.insert(id.event_part());
            }
            return;
        };
        self.counts.count(standing.status);
        if let Some(delivery) = standing.waiting.filter(|delivery| is_stuck(delivery, now)) {
            self.suspects_of(id).waiting.push(*delivery);
        } else if standing.status == DeliveryStatus::Parked && is_left_parked(standing.parked_at, now) {
            self.suspects_of(id).parked.push(Parked { id, at: standing.parked_at });
        }
    }

    fn suspects_of(&mut self, id: DeliveryId) -> &mut Suspects {
        self.suspects.entry(id.endpoint()).or_default()
    }
}

/// As many of these as there is room for.
fn first<T>(of: &[T], room: u64) -> &[T] {
    &of[..of.len().min(room as usize)]
}

/// How an event stands that fan-out has not dealt with.
enum EventStanding {
    /// It is to be delivered later, or just now.
    ToBegin,
    /// Somebody has cancelled it.
    Over,
    /// It should have been dealt with.
    Lost,
}

fn standing(stored: &StoredEvent, now: Timestamp) -> EventStanding {
    match stored.schedule.map(|schedule| schedule.state) {
        Some(ScheduleState::Cancelled) => EventStanding::Over,
        Some(_) if now < stored.event.begins_at().after(STUCK_AFTER) => EventStanding::ToBegin,
        Some(_) | None => EventStanding::Lost,
    }
}
