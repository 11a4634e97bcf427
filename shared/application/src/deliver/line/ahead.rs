//! What waits in a line, the oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_domain::id::Ulid;
use postrider_domain::{Delivery, DeliveryStatus, Timestamp};

use super::Ordered;
use crate::deliver::{Deliver, DeliverError};
use crate::release::is_released;

/// How long what was read of a line is taken for true.
const FRESH: Duration = Duration::from_secs(1);

/// The deliveries after a place. What a person keeps parked is left out.
pub(super) struct Ahead<'a> {
    ordered: Ordered<'a>,
    after: Ulid,
    read: VecDeque<Delivery>,
    read_at: Timestamp,
    /// Where what was read ends; `None` when it was all.
    next: Option<Ulid>,
    /// What was parked by then is kept, once it was asked for.
    kept_at: Option<Option<Timestamp>>,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(ordered: Ordered<'a>, after: Ulid) -> Self {
        let (read, read_at) = (VecDeque::new(), Timestamp::default());
        Self { ordered, after, read, read_at, next: Some(after), kept_at: None }
    }

    /// The next delivery that waits.
    pub(super) async fn next(&mut self, deliver: &Deliver) -> Result<Option<Delivery>, DeliverError> {
        let endpoint = self.ordered.endpoint();
        if deliver.clock.now().since(self.read_at) > FRESH {
            self.read.clear();
            self.next = Some(self.after);
        }
        loop {
            while let Some(delivery) = self.read.pop_front() {
                let is_kept = delivery.status == DeliveryStatus::Parked
                    && !is_released(delivery.parked_at, self.kept_at(deliver).await?);
                self.after = delivery.id.event_part();
                if !is_kept {
                    return Ok(Some(delivery));
                }
            }
            let Some(after) = self.next else { return Ok(None) };
            (self.after, self.read_at) = (after, deliver.clock.now());
            let page = deliver.deliveries.waiting_after(&endpoint.tenant, endpoint.id, after).await?;
            (self.read, self.next) = (page.deliveries.into(), page.next);
        }
    }

    async fn kept_at(&mut self, deliver: &Deliver) -> Result<Option<Timestamp>, DeliverError> {
        if let Some(known) = self.kept_at {
            return Ok(known);
        }
        let endpoint = self.ordered.endpoint();
        let drain = deliver.drains.get(&endpoint.tenant, endpoint.id).await?;
        Ok(*self.kept_at.insert(drain.kept_at))
    }
}
