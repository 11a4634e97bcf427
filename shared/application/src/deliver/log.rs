//! What is logged of an attempt.

use postrider_domain::{Attempt, Delivery};

/// One line for each attempt, without payload and secrets.
pub(super) fn log_attempt(delivery: &Delivery, attempt: &Attempt) {
    tracing::info!(
        target: "delivery.attempted",
        {
            tenant.id = %delivery.tenant,
            event.id = %delivery.event_id,
            event.kind = %delivery.event_type,
            endpoint.id = %delivery.endpoint(),
            delivery.id = %delivery.id,
            channel = %delivery.channel,
            attempt.number = attempt.number,
            outcome = %attempt.outcome,
            response.status = attempt.response.as_ref().map(|response| response.status),
            error = attempt.error,
            duration_ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        },
        "delivery attempted"
    );
}
