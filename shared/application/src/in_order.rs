//! Accepting events of tenants that have ordered endpoints.
//!
//! Messages of different events overtake each other, deliveries in the ledger do not: so those for ordered endpoints
//! are created before an event is acknowledged. Whoever publishes another one after that finds them there. Their order
//! is that of the moments at which the events were accepted, of which one instance gives none twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::{Delivery, Event, TenantId, Timestamp};

use crate::cache::TimedCache;
use crate::fan_out::CLOCKS_DIFFER;
use crate::matching::{CHUNK, MatchError, Matching, Range};
use crate::messages::Payload;
use crate::ports::{Blobs, Clock, TableError};
use crate::stores::endpoints::Edition;
use crate::stores::{Deliveries, Endpoints};

/// How long a tenant is taken to have no ordered endpoints without another look: the deliveries of its first one are in
/// order from this long after it was made ordered. Others' publishing reads nothing in between.
const KNOWN: Duration = Duration::from_secs(10);

/// The same for a tenant that has some, whose subscriptions have to be those of now.
const KNOWN_IN_ORDER: Duration = Duration::from_secs(1);

/// How many deliveries are created at the same time.
const PARALLEL: usize = 16;

/// How many tenants' latest moments are remembered.
const REMEMBERED: usize = 10_000;

/// What is needed to accept events in order.
pub(crate) struct AcceptInOrder {
    matching: Matching,
    deliveries: Deliveries,
    clock: Arc<dyn Clock>,
    known: TimedCache<TenantId, Edition>,
    latest: Mutex<HashMap<TenantId, Timestamp>>,
}

impl AcceptInOrder {
    pub(crate) fn new(
        endpoints: Endpoints,
        deliveries: Deliveries,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let matching = Matching::new(endpoints, blobs, clock.clone());
        Self { matching, deliveries, clock, known: TimedCache::new(10_000, KNOWN), latest: Mutex::default() }
    }

    /// The version of a tenant's endpoints, if any of them are ordered.
    pub(crate) async fn version(&self, tenant: &TenantId) -> Result<Option<u64>, TableError> {
        let now = self.clock.now();
        let has_none = self.known.get(tenant, now).filter(|edition| edition.in_order == 0);
        let edition = match has_none.or_else(|| self.known.get_within(tenant, now, KNOWN_IN_ORDER)) {
            Some(edition) => edition,
            None => {
                let edition = self.matching.endpoints().edition(tenant).await?;
                self.known.insert(tenant.clone(), edition, now);
                edition
            }
        };
        Ok((edition.in_order > 0).then_some(edition.version))
    }

    /// The moment at which an event of a tenant is accepted, later than the one before.
    pub(crate) fn moment(&self, tenant: &TenantId) -> Timestamp {
        let now = self.clock.now();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= REMEMBERED {
            latest.retain(|_, at| *at >= now);
        }
        let last = latest.entry(tenant.clone()).or_default();
        *last = last.after(Duration::from_millis(1)).max(now);
        *last
    }

    /// Creates the deliveries of an event for ordered endpoints, if it is to be delivered at once.
    pub(crate) async fn create(
        &self,
        event: &Event,
        payload: &Payload,
        version: u64,
        is_repeated: bool,
    ) -> Result<(), MatchError> {
        if event.begins_at() != event.accepted_at {
            return Ok(());
        }
        let created_by = is_repeated.then(|| event.accepted_at.after(CLOCKS_DIFFER));
        let mut range = Range { after: None, created_by, only_in_order: true };
        loop {
            let targets = self.matching.targets(event, payload, version, &range).await?;
            let goes_on = targets.len() > CHUNK;
            range.after = targets.last_key_value().map(|(endpoint, _)| *endpoint);
            let now = self.clock.now();
            stream::iter(targets)
                .map(|(endpoint, target)| async move {
                    let delivery = Delivery::new(event, endpoint, target.channel, target.max_attempts, now);
                    self.deliveries.create(&delivery).await.map(|_| ())
                })
                .buffer_unordered(PARALLEL)
                .try_collect::<()>()
                .await?;
            if !goes_on {
                return Ok(());
            }
        }
    }
}
