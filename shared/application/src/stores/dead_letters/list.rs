//! Lists of a tenant's dead letters, the latest first.

use std::time::Duration;

use postrider_domain::id::Ulid;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, EndpointId, EventType, JobId, TenantId, Timestamp};

use super::item::{TABLE, partition, read_item};
use super::{DeadLetter, DeadLetterState, DeadLetters};
use crate::ports::table::{Expression, Key, Query, TableError};
use crate::stores::item::text;
use crate::stores::{PageRequest, Paged};

/// How often a list asks on for rows that the filter may let through, before it answers what it has.
const ROUNDS: usize = 10;

/// For how long before it was given up something can have had its dead letter's id: an event's message is kept for
/// four days until it is matched.
const SLACK: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Which dead letters are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// In this state.
    pub state: Option<DeadLetterState>,
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Given up for this reason.
    pub reason: Option<FailureReason>,
    /// Given up at or after this moment.
    pub since: Option<Timestamp>,
    /// Given up before this moment.
    pub until: Option<Timestamp>,
    /// Whatever their state is, also those that this job redrove.
    pub or_of_job: Option<JobId>,
}

impl DeadLetters {
    /// A tenant's dead letters, the latest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &DeadLetterFilter,
        request: PageRequest,
    ) -> Result<Paged<DeadLetter>, TableError> {
        let pk = partition(tenant);
        let Some((low, high)) = range(filter, request.after.as_deref()) else {
            return Ok(Paged { items: Vec::new(), next: None });
        };
        let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high").text_value(":pk", pk.clone());
        // DynamoDB refuses to begin outside of the range.
        let start = request.after.filter(|after| *after <= high);
        let mut query = Query {
            keys: keys.text_value(":low", low).text_value(":high", high),
            filter: expression(filter),
            ascending: false,
            limit: Some(request.limit as u32),
            start: start.map(|id| Key::new(pk.clone(), id).into_item()),
            consistent: true,
            ..Query::partition(TABLE, pk)
        };
        let mut letters = Vec::new();
        // Several portions may be needed where the filter leaves much out.
        for _ in 0..ROUNDS {
            let page = self.0.query(query.clone()).await?;
            for item in page.items {
                letters.push(read_item(tenant, item)?);
            }
            query.start = page.next;
            query.limit = Some((request.limit - letters.len()) as u32);
            if letters.len() == request.limit || query.start.is_none() {
                break;
            }
        }
        let next = query.start.as_ref().map(|key| text(key, "sk").to_owned());
        Ok(Paged { items: letters, next })
    }
}

/// The ends of the range of ids that can be asked for; `None` when nothing can.
fn range(filter: &DeadLetterFilter, after: Option<&str>) -> Option<(String, String)> {
    let place = |at: Timestamp| DeadLetterId::new(Ulid::from_parts(at.as_millis(), 0)).to_string();
    let slack = u64::try_from(SLACK.as_millis()).unwrap_or(u64::MAX);
    let since = filter.since.map(|since| Timestamp::from_millis(since.as_millis().saturating_sub(slack)));
    let low = place(since.unwrap_or_default());
    let high = filter.until.map_or_else(|| "dl_~".to_owned(), place);
    let is_over = after.is_some_and(|after| after < low.as_str());
    (low <= high && !is_over).then_some((low, high))
}

fn expression(filter: &DeadLetterFilter) -> Option<Expression> {
    let mut conditions = Vec::new();
    let mut expression = Expression::default();
    if let Some(state) = filter.state {
        expression = expression.name("#state", "state").text_value(":state", state.as_str());
        conditions.push(match filter.or_of_job {
            None => "#state = :state",
            Some(job) => {
                expression = expression.name("#job", "job").text_value(":job", job.to_string());
                "(#state = :state OR #job = :job)"
            }
        });
    }
    if let Some(endpoint) = filter.endpoint {
        conditions.push("endpoint = :endpoint");
        expression = expression.text_value(":endpoint", endpoint.to_string());
    }
    if let Some(event_type) = &filter.event_type {
        conditions.push("event_type = :type");
        expression = expression.text_value(":type", event_type.as_str());
    }
    if let Some(reason) = filter.reason {
        conditions.push("#reason = :reason");
        expression = expression.name("#reason", "reason").text_value(":reason", reason.as_str());
    }
    if let Some(since) = filter.since {
        conditions.push("created_at >= :since");
        expression = expression.number_value(":since", since.as_millis());
    }
    if let Some(until) = filter.until {
        conditions.push("created_at < :until");
        expression = expression.number_value(":until", until.as_millis());
    }
    expression.text = conditions.join(" AND ").into();
    (!conditions.is_empty()).then_some(expression)
}
