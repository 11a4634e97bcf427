//! Cancelling parked deliveries because a person wants it.
//!
//! Whoever asks for it keeps them first, and they stay kept until they are cancelled: so nobody releases them meanwhile,
//! nor when the message gets lost. Then they are parked until a person says once more what becomes of them.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use postrider_domain::{Delivery, DeliveryStatus, Timestamp};

use super::{Release, ReleaseError, outgoing, what_follows};
use crate::messages::SkipMessage;
use crate::ports::queue::send_all;
use crate::ports::{QueueName, TableError};
use crate::stores::deliveries::Saved;
use crate::stores::drains::DrainState;

/// How many deliveries one message cancels before it hands on to the next.
const CHUNK: usize = 100;

/// How often one is tried again when others change it at the same time.
const TRIES: usize = 5;

impl Release {
    /// Deals with one message: cancels a portion, and sends the message for the next one.
    ///
    /// # Errors
    /// When a store or a queue fails.
    pub async fn skip(&self, message: &SkipMessage, now: Timestamp) -> Result<(), ReleaseError> {
        let (tenant, id) = (&message.tenant, message.endpoint);
        let drain = match message.progress.drain {
            None => self.begin(tenant, id, DrainState::Skipping, true, now).await?,
            Some(_) => self.drains.get(tenant, id).await?,
        };
        if message.progress.drain.is_some_and(|number| number != drain.number) {
            return Ok(());
        }
        let page = self.deliveries.parked(tenant, id, message.progress.after, CHUNK).await?;
        let last = page.deliveries.last().map(|delivery| delivery.id);
        let wanted = page.deliveries.into_iter().filter(|delivery| delivery.created_at <= message.until());
        let cancelled = stream::iter(wanted)
            .map(|delivery| self.cancel(delivery, &message.by))
            .buffered(16)
            .try_filter(|is_cancelled| std::future::ready(*is_cancelled));
        let count = cancelled.try_fold(0, |count, _| std::future::ready(Ok(count + 1))).await?;
        let last_look = message.progress.last_look;
        self.advance(&drain, (tenant, id), (count, last), page.next.is_none() && !last_look, now).await?;
        self.wake_line(tenant, id, last).await?;
        if let Some((progress, wait)) = what_follows(&drain, page.next, last_look, Duration::ZERO) {
            let next = outgoing(tenant, message.clone().at(progress), wait);
            send_all(&*self.queue, QueueName::Events, vec![next]).await?;
        }
        Ok(())
    }

    /// Cancels a delivery, if it is still parked.
    async fn cancel(&self, mut delivery: Delivery, by: &str) -> Result<bool, TableError> {
        for _ in 0..TRIES {
            if delivery.status != DeliveryStatus::Parked {
                return Ok(false);
            }
            delivery.cancel(format!("skipped by {by} while it was parked"));
            match self.deliveries.save(&delivery).await? {
                Saved::Yes => return Ok(true),
                Saved::Changed(Some(current)) => delivery = *current,
                Saved::Changed(None) => return Ok(false),
            }
        }
        Err(TableError::Conflict)
    }
}
