//! Messages of the inbox queue: `{"tenant": "acme", "event": {...}}`, the event as for `POST /v1/events`.
//!
//! SQS hands a message out at least once. An event without an id of its own gets the message's, so that it is
//! accepted once all the same.

use postrider_application::inbox::Inbox;
use postrider_application::ingest::Publication;
use postrider_application::ports::QueueRecord;
use postrider_application::ports::queue::failure;
use postrider_domain::TenantId;
use postrider_http_api::{InvalidPublication, read_publication};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message that can never be accepted. It goes to the dead-letter queue of the inbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboxMessageError {
    /// It is not in the form of an inbox message.
    #[error("the message is not of the form {{\"tenant\": ..., \"event\": {{...}}}}: {0}")]
    Form(#[from] serde_json::Error),
    /// The tenant's id is not one.
    #[error("tenant: {0}")]
    Tenant(String),
    /// The event is not one that could be published.
    #[error(transparent)]
    Publication(#[from] InvalidPublication),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboxMessage<'a> {
    tenant: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

fn read(record: &QueueRecord) -> Result<(TenantId, Publication), InboxMessageError> {
    let text = record.body.text();
    let message: InboxMessage<'_> = serde_json::from_str(&text)?;
    let tenant = message.tenant.parse().map_err(|error| InboxMessageError::Tenant(format!("{error}")))?;
    let mut publication = read_publication(message.event.get())?;
    publication.event_id = publication.event_id.or_else(|| record.message_id.parse().ok());
    Ok((tenant, publication))
}

/// Accepts the events in a batch. Answers the ids of the messages that must come again.
pub(crate) async fn accept_records(inbox: &Inbox, records: Vec<QueueRecord>) -> Vec<String> {
    let (mut failed, mut readable, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match read(&record) {
            Ok(event) => {
                readable.push(record);
                events.push(event);
            }
            Err(error) => failed.extend(failure(&record, Err(error))),
        }
    }
    let results = inbox.accept(events).await;
    failed.extend(
        readable.iter().zip(results).filter_map(|(record, result)| failure(record, result.map(drop))),
    );
    failed
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsEvent;

    use super::*;

    const SAMPLE: &str = include_str!("../../../events/ingest/inbox.json");

    fn record(body: &str) -> QueueRecord {
        QueueRecord { message_id: "19dd0b57-b21e".to_owned(), body: body.to_owned().into(), receive_count: 1 }
    }

    #[test]
    fn the_sample_is_read() {
        let event: SqsEvent = serde_json::from_str(SAMPLE).unwrap();
        let bodies = event.records.iter().map(|message| message.body.as_deref().unwrap());
        let read: Result<Vec<_>, _> = bodies.map(|body| read(&record(body))).collect();
        let read = read.unwrap();
        assert!(read.iter().all(|(tenant, _)| tenant.as_str() == "demo"));
        let ids: Vec<_> = read.iter().map(|(_, event)| event.event_id.clone().unwrap().to_string()).collect();
        assert_eq!(ids, ["order-1043-paid", "19dd0b57-b21e"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |body: &str| read(&record(body)).unwrap_err().to_string();
        assert!(error("nonsense").contains("{\"tenant\": ..., \"event\": {...}}"));
        assert!(error(r#"{"tenant":"a!","event":{}}"#).starts_with("tenant: "));
        assert!(error(r#"{"tenant":"a","event":{"type":"a b","data":1}}"#).contains("type"));
        assert!(error(r#"{"tenant":"a","event":{"type":"a","data":1},"x":1}"#).contains("unknown field"));
    }
}
