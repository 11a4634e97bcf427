//! One `SendMessageBatch`, and what its answer says of each message.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::Pending;
use super::limits::whole_seconds;

/// What became of one message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is in the queue.
    Taken,
    /// It never will be.
    Refused(String),
    /// SQS did not take it this time.
    Left(String),
}

/// Sends messages. The answers are in their order.
pub(super) async fn send(
    client: &Client,
    url: &str,
    messages: &[Pending],
) -> Result<Vec<Answer>, SdkError<SendMessageBatchError>> {
    let mut request = client.send_message_batch().queue_url(url);
    for (index, (_, message)) in messages.iter().enumerate() {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(message.body.text())
            .delay_seconds(whole_seconds(message.delay))
            .message_group_id(&*message.group);
        request = request.entries(entry.build().map_err(SdkError::construction_failure)?);
    }
    Ok(read(request.send().await?, messages.len()))
}

fn read(output: SendMessageBatchOutput, count: usize) -> Vec<Answer> {
    let mut answers = vec![Answer::Left("the answer does not mention it".to_owned()); count];
    let mut set = |id: &str, answer| {
        if let Some(place) = id.parse().ok().and_then(|index: usize| answers.get_mut(index)) {
            *place = answer;
        }
    };
    for taken in output.successful {
        set(&taken.id, Answer::Taken);
    }
    for failed in output.failed {
        let reason = match failed.message {
            Some(message) => format!("{}: {message}", failed.code),
            None => failed.code,
        };
        set(&failed.id, if failed.sender_fault { Answer::Refused(reason) } else { Answer::Left(reason) });
    }
    answers
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};

    use super::*;

    #[test]
    fn each_message_has_its_own_answer_and_silence_is_not_success() {
        let taken = SendMessageBatchResultEntry::builder().id("2").message_id("m").md5_of_message_body("d");
        let failed = |id: &str, sender_fault| {
            let entry = BatchResultErrorEntry::builder().id(id).code("Bad").sender_fault(sender_fault);
            entry.build().unwrap()
        };
        let output = SendMessageBatchOutput::builder()
            .successful(taken.build().unwrap())
            .failed(failed("0", true))
            .failed(failed("1", false))
            .failed(failed("9", true))
            .build()
            .unwrap();
        let answers = read(output, 4);
        assert_eq!(
            answers[..3],
            [Answer::Refused("Bad".to_owned()), Answer::Left("Bad".to_owned()), Answer::Taken]
        );
        assert!(matches!(answers[3], Answer::Left(_)));
    }
}
