//! Accepting several events that were published together: what they need is asked for once, and their messages share
//! requests. Each succeeds or fails by itself.

use std::sync::Arc;

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use postrider_domain::{TenantId, Timestamp};
use tokio::task::yield_now;

use super::prepare::Prepared;
use super::{Accepted, Ingest, IngestError, Publication, allowed_from, refuse_reserved};
use crate::ports::{OutgoingMessage, QueueError, QueueName};
use crate::rates::RateError;
use crate::stores::events::{Stored, StoredEvent};

/// How many events of a request are dealt with before there is a pause.
const PORTION: usize = 10;

/// An event as it was published.
struct Asked {
    publication: Publication,
    /// From when on it may be matched, or why it is not accepted.
    turn: Result<Timestamp, IngestError>,
    /// When it is accepted.
    now: Timestamp,
}

type Indexed = (usize, Result<Accepted, IngestError>);

impl Ingest {
    /// Accepts several events, each by itself: the results are in their order.
    pub async fn accept_batch(
        &self,
        tenant: &TenantId,
        publications: Vec<Publication>,
    ) -> Vec<Result<Accepted, IngestError>> {
        let count = publications.len();
        let asked = futures::join!(self.turns(tenant, count), self.in_order.version(tenant));
        let (turns, version) = match asked {
            (Ok(turns), Ok(version)) => (turns, version),
            (Err(error), _) => return fail_all(error, count),
            (_, Err(error)) => return fail_all(error.into(), count),
        };
        let now = self.clock.now();
        let asked = publications.into_iter().zip(turns).map(|(publication, turn)| {
            let now = if version.is_some() { self.in_order.moment(tenant) } else { now };
            Asked { publication, turn, now }
        });
        if count <= PORTION {
            return self.accept_portion(tenant, asked.collect(), version).await;
        }
        let accepted = stream::iter(asked)
            .chunks(PORTION)
            .enumerate()
            .then(|(index, portion)| async move {
                if index > 0 {
                    yield_now().await;
                }
                portion
            })
            .map(|portion| self.accept_portion(tenant, portion, version))
            .buffered(count);
        accepted.concat().await
    }

    /// Accepts some of the events that were published together.
    async fn accept_portion(
        &self,
        tenant: &TenantId,
        asked: Vec<Asked>,
        version: Option<u64>,
    ) -> Vec<Result<Accepted, IngestError>> {
        let prepared = asked.into_iter().map(|Asked { publication, turn, now }| async move {
            refuse_reserved(&publication)?;
            self.prepare(tenant, publication, turn?, now).await
        });
        let (mut generated, mut named, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (index, prepared) in join_all(prepared).await.into_iter().enumerate() {
            match prepared {
                Ok(prepared) if prepared.generated => generated.push((index, prepared)),
                Ok(prepared) => named.push((index, prepared)),
                Err(error) => results.push((index, Err(error))),
            }
        }
        let (generated, named) =
            futures::join!(self.accept_generated(generated, version), self.accept_named(named, version));
        results.extend(generated);
        results.extend(named);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// From when on each of so many events may be matched, or why it is not accepted.
    async fn turns(
        &self,
        tenant: &TenantId,
        count: usize,
    ) -> Result<Vec<Result<Timestamp, IngestError>>, RateError> {
        let now = self.clock.now();
        let Some(limits) = &self.limits else { return Ok((0..count).map(|_| Ok(now)).collect()) };
        let turns = limits.ask(tenant, count, self.patience).await?.into_iter();
        Ok(turns.map(|turn| allowed_from(turn, now)).collect())
    }

    /// Accepts events under ids that were made here, with the places that they have among others.
    pub(super) async fn accept_generated(
        &self,
        events: Vec<(usize, Prepared)>,
        version: Option<u64>,
    ) -> Vec<Indexed> {
        if events.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        let puts = events.iter().map(|(_, event)| self.events.put_new(&event.stored, &event.wire));
        let Some(version) = version else {
            let messages = events.iter().map(|(_, event)| event.message(false, now)).collect();
            let (stored, sent) = futures::join!(join_all(puts), self.send(messages));
            let outcomes = stored.into_iter().zip(sent);
            let accepted = events.into_iter().zip(outcomes).map(|((index, event), (stored, sent))| {
                let accepted = stored.map_err(IngestError::from).and(sent.map_err(IngestError::from));
                (index, accepted.map(|()| event.accepted(false)))
            });
            return accepted.collect();
        };
        let (mut stored, mut results) = (Vec::new(), Vec::new());
        let puts = join_all(puts).await;
        for ((index, event), put) in events.into_iter().zip(puts) {
            match put {
                Ok(()) => stored.push((index, event, false)),
                Err(error) => results.push((index, Err(error.into()))),
            }
        }
        results.extend(self.announce(stored, Some(version)).await);
        results
    }

    /// The same of events under their publishers' own ids.
    pub(super) async fn accept_named(
        &self,
        events: Vec<(usize, Prepared)>,
        version: Option<u64>,
    ) -> Vec<Indexed> {
        if events.is_empty() {
            return Vec::new();
        }
        let puts = events.iter().map(|(_, event)| self.events.put_if_absent(&event.stored, &event.wire));
        let puts = join_all(puts).await;
        let (mut results, mut stored) = (Vec::new(), Vec::new());
        for ((index, event), put) in events.into_iter().zip(puts) {
            match put {
                Ok(Stored::New) => stored.push((index, event, false)),
                Ok(Stored::Existing(first)) if first.digest == event.stored.digest => {
                    stored.push((index, Prepared::new(*first, false, event.later), true));
                }
                Ok(Stored::Existing(_)) => {
                    results.push((index, Err(IngestError::Conflict(event.stored.event.id))));
                }
                Err(error) => results.push((index, Err(error.into()))),
            }
        }
        results.extend(self.announce(stored, version).await);
        results
    }

    /// Creates the deliveries of stored events whose endpoints are ordered, and sends the events' messages.
    async fn announce(&self, stored: Vec<(usize, Prepared, bool)>, version: Option<u64>) -> Vec<Indexed> {
        let now = self.clock.now();
        let created = stored.iter().map(|(_, prepared, repeated)| async move {
            let Some(version) = version else { return Ok(()) };
            let StoredEvent { event, payload, .. } = &prepared.stored;
            self.in_order.create(event, payload, version, *repeated).await
        });
        let created = join_all(created).await;
        let messages = stored.iter().zip(&created);
        let messages = messages.map(|((_, event, repeated), created)| {
            created.as_ref().ok().and_then(|()| event.message(*repeated, now))
        });
        let sent = self.send(messages.collect()).await;
        let outcomes = created.into_iter().zip(sent);
        let accepted = stored.into_iter().zip(outcomes).map(|((index, event, repeated), (created, sent))| {
            let accepted = created.map_err(IngestError::from).and(sent.map_err(IngestError::from));
            (index, accepted.map(|()| event.accepted(repeated)))
        });
        accepted.collect()
    }

    /// Sends the messages of events. One that has none is in the ledger, and needs nothing else.
    async fn send(&self, messages: Vec<Option<OutgoingMessage>>) -> Vec<Result<(), QueueError>> {
        let needed: Vec<bool> = messages.iter().map(Option::is_some).collect();
        let messages: Vec<_> = messages.into_iter().flatten().collect();
        let sent =
            if messages.is_empty() { Vec::new() } else { self.queue.send(QueueName::Events, messages).await };
        let mut sent = sent.into_iter();
        needed
            .into_iter()
            .map(|is_needed| if is_needed { sent.next().unwrap_or(Ok(())) } else { Ok(()) })
            .collect()
    }
}

/// The failure of something that all of so many events need.
fn fail_all(error: RateError, count: usize) -> Vec<Result<Accepted, IngestError>> {
    let error = Arc::new(error);
    (0..count).map(|_| Err(IngestError::Rate(Arc::clone(&error)))).collect()
}
