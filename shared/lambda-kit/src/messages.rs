//! Messages of SQS as Lambda hands them over, and as the use cases take them.

use aws_lambda_events::sqs::SqsMessage;
use postrider_application::ports::QueueRecord;

/// A message as the use cases take it; `None` for one without an id, which nothing could be reported of.
pub(crate) fn record(message: SqsMessage) -> Option<QueueRecord> {
    let received = message.attributes.get("ApproximateReceiveCount");
    Some(QueueRecord {
        message_id: message.message_id.filter(|id| !id.is_empty())?,
        body: message.body.unwrap_or_default().into(),
        // Unknown is taken for a repetition: then the ledger is read before anything is sent.
        receive_count: received.and_then(|count| count.parse().ok()).unwrap_or(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_a_receive_count_is_taken_for_a_repetition() {
        let message = |count: Option<&str>| {
            let attributes = count.map(|count| ("ApproximateReceiveCount".to_owned(), count.to_owned()));
            let mut message = SqsMessage::default();
            message.message_id = Some("m".to_owned());
            message.attributes = attributes.into_iter().collect();
            record(message).unwrap().receive_count
        };
        assert_eq!((message(Some("1")), message(Some("7")), message(None)), (1, 7, 2));
        assert!(record(SqsMessage::default()).is_none());
    }
}
