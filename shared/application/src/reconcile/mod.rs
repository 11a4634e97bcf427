//! Counting whether everything that was accepted is accounted for, and sending again what is not.
//!
//! A quarter of an hour after its end, an hour is put down for each tenant that had any event in it (`hours`). It is
//! looked at portion by portion, from its first event to its last (`portion`): the events, the manifests in which
//! fan-out says which endpoints they matched, and the deliveries. Events that fan-out has not dealt with, or of which a
//! delivery is missing, are sent to fan-out again, and deliveries whose message must have been lost (`stuck`) get another
//! one, or are released once more where they are parked (`repair`); all of them find what is there already. As long as
//! something is to come, or parked, the hour is looked at again later. When something stays missing or stuck, somebody
//! is told.
//!
//! Whoever looks at an hour puts it off in the index `due` first, on the condition that nobody else has, and puts down
//! how far it is after each portion, on the same condition. So of two runs at the same time one looks, and after a crash
//! another goes on where that one was; what was sent again and not put down is sent once more, which does no harm.

mod hours;
mod known;
mod portion;
mod repair;
mod stuck;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::reconciliation::{Look, ReconciliationState};
use postrider_domain::{Reconciliation, Timestamp};

use self::known::KnownEndpoints;
use crate::announce::{Announce, AnnounceError};
use crate::ports::{Clock, Queue, QueueError, TableError};
use crate::stores::reconciliations::{Changed, HourFilter};
use crate::stores::{
    Buckets, Circuits, Deliveries, Drains, Endpoints, Events, Lines, Manifests, PageRequest, Reconciliations,
    Tenants,
};

/// The target of the line in the log which says that something is missing or stuck. An alarm waits for it.
pub const GAP: &str = "reconciliation.gap";

/// For how much of a minute a run looks at hours, so that what is due is not held up.
pub const TIME: Duration = Duration::from_secs(20);

/// For how long an hour is put off while it is looked at: longer than a run takes.
const LEASE: Duration = Duration::from_secs(300);

/// How many of the hours before one may hold it up.
const HOURS_BEFORE: usize = 24;

/// How many hours are asked for at a time.
const HOURS: u32 = 20;

/// How many of them are looked at at the same time.
const PARALLEL: usize = 4;

/// A look broke off. What was not put down is looked at again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// It could not be told that something is missing or stuck.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// How many hours were put down to be looked at.
    pub opened: usize,
    /// How many hours were looked at to their end.
    pub looked_at: usize,
    /// How many messages were sent again.
    pub repaired: u64,
    /// How many hours could not be looked at; the log says why.
    pub failed: usize,
    /// Whether the time was up before everything that is due was looked at.
    pub unfinished: bool,
}

impl Reconciled {
    const fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.looked_at += other.looked_at;
        self.repaired += other.repaired;
        self.failed += other.failed;
        self.unfinished |= other.unfinished;
    }
}

/// Looks at hours.
pub struct Reconcile {
    events: Events,
    deliveries: Deliveries,
    manifests: Manifests,
    hours: Reconciliations,
    tenants: Tenants,
    endpoints: Endpoints,
    circuits: Circuits,
    drains: Drains,
    lines: Lines,
    buckets: Buckets,
    announce: Announce,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Reconcile {
    /// A reconciliation over these stores, and what is kept beside them.
    pub fn new(
        events: Events,
        deliveries: Deliveries,
        tenants: Tenants,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (table, buckets) = (deliveries.table(), deliveries.buckets());
        let announce = Announce::new(events.clone(), queue.clone(), clock.clone());
        let (manifests, hours) = (Manifests::new(table.clone()), Reconciliations::new(table.clone()));
        Self {
            endpoints: Endpoints::new(table.clone()),
            circuits: Circuits::new(table.clone()),
            drains: Drains::new(table.clone()),
            lines: Lines::new(table),
            events,
            deliveries,
            manifests,
            hours,
            tenants,
            buckets,
            announce,
            queue,
            clock,
        }
    }

    /// Puts down hours that are over, and looks at those that are due, until there are none or `time` is up.
    ///
    /// # Errors
    /// When the table cannot be used. An hour that cannot be looked at is counted and logged.
    pub async fn run(&self, time: Duration) -> Result<Reconciled, ReconcileError> {
        let until = self.clock.now().after(time);
        let mut run = Reconciled::default();
        self.open_hours(until, &mut run).await?;
        loop {
            let due = self.hours.due(self.clock.now(), HOURS).await?;
            if due.is_empty() {
                return Ok(run);
            }
            let looks: Vec<_> = stream::iter(due)
                .map(|hour| self.take_over(hour, until))
                .buffer_unordered(PARALLEL)
                .try_collect()
                .await?;
            looks.iter().for_each(|look| run.add(look));
            if self.clock.now() >= until {
                run.unfinished = true;
                return Ok(run);
            }
        }
    }

    /// Puts an hour off, on the condition that nobody else did, and looks at it.
    async fn take_over(
        &self,
        mut hour: Reconciliation,
        until: Timestamp,
    ) -> Result<Reconciled, ReconcileError> {
        let mut run = Reconciled::default();
        hour.due_at = Some(self.clock.now().after(LEASE));
        if self.clock.now() >= until || self.hours.save(&mut hour).await? == Changed::Not {
            return Ok(run);
        }
        let (tenant, begins_at) = (hour.tenant.clone(), hour.hour);
        if let Err(error) = self.look_at(hour, until, &mut run).await {
            run.failed += 1;
            let error = &error as &dyn std::error::Error;
            tracing::warn!(tenant.id = %tenant, hour = %begins_at, error, "an hour was not looked at");
        }
        Ok(run)
    }

    /// Looks at an hour that is put off for others, as far as time allows.
    async fn look_at(
        &self,
        mut hour: Reconciliation,
        until: Timestamp,
        run: &mut Reconciled,
    ) -> Result<(), ReconcileError> {
        let Look { mut from, mut findings } = hour.look();
        let mut known = KnownEndpoints::new();
        while from < hour.hour.ends_at() {
            if self.clock.now() >= until {
                // Behind the others that are due.
                hour.due_at = Some(self.clock.now());
                self.hours.save(&mut hour).await?;
                return Ok(());
            }
            let portion = self.look_at_portion(&hour, from, findings.repaired, &mut known);
            let (found, reached) = portion.await?;
            findings.add(&found);
            run.repaired += found.repaired;
            from = reached;
            if from < hour.hour.ends_at() {
                hour.look = Some(Look { from, findings });
                if self.hours.save(&mut hour).await? == Changed::Not {
                    return Ok(());
                }
            }
        }
        findings.is_held_up = findings.stuck > 0 && self.is_held_up(&hour).await?;
        hour.conclude(&findings, self.clock.now());
        if hour.is_to_be_told() {
            self.tell(&hour).await?;
            hour.told_at = Some(self.clock.now());
        }
        run.looked_at += usize::from(self.hours.save(&mut hour).await? == Changed::Yes);
        Ok(())
    }

    /// Whether an earlier hour has stuck deliveries of which nobody was told.
    async fn is_held_up(&self, hour: &Reconciliation) -> Result<bool, ReconcileError> {
        let filter = HourFilter { before: Some(hour.hour), ..HourFilter::default() };
        let request = PageRequest { limit: HOURS_BEFORE, after: None };
        let before = self.hours.list(&hour.tenant, &filter, request).await?.items;
        let repairing = |hour: &Reconciliation| hour.state == ReconciliationState::Repairing;
        Ok(before.iter().any(|before| before.stuck > 0 && repairing(before)))
    }

    /// Tells that something is missing or stuck. Done again after a crash, it is a line more in the log, and the same event.
    async fn tell(&self, hour: &Reconciliation) -> Result<(), ReconcileError> {
        tracing::error!(
            target: GAP,
            {
                tenant.id = %hour.tenant,
                hour = %hour.hour,
                accepted = hour.counts.accepted,
                matched = hour.counts.matched,
                gap = hour.counts.gap(),
                events_missing = hour.counts.events_missing,
                stuck = hour.stuck,
                repaired = hour.repaired,
            },
            "what was accepted is not accounted for, or does not move"
        );
        Ok(self.announce.tell_gap(hour).await?)
    }
}
