//! The Queue port on SQS.
//!
//! Everything is sent with `SendMessageBatch`, a single message too: it costs the same. The answer tells of
//! each message by itself, so those that SQS did not take for a reason of its own go once more, alone. When an
//! answer is lost the SDK sends the whole batch again: standard queues may hand messages out twice anyway, and
//! consumers know it.

mod batch;
mod limits;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use futures::stream::{self, StreamExt as _};
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};

use self::batch::Answer;
use crate::Backoff;

/// How many batches are under way at a time.
const PARALLEL: usize = 8;

/// SQS's queues.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Client,
    urls: HashMap<QueueName, String>,
    backoff: Backoff,
}

/// A message that is yet to be sent, with its place among all.
type Pending = (usize, OutgoingMessage);

/// What became of a message, with its place among all.
type Sent = (usize, Result<(), QueueError>);

impl SqsQueues {
    /// The queues with these URLs. A message for another one cannot be sent.
    pub fn new(client: Client, urls: HashMap<QueueName, String>) -> Self {
        Self { client, urls, backoff: Backoff::default() }
    }

    /// The same queues, with other waits before what was left of a batch is sent again.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sends one batch, and again what SQS left of it.
    async fn send_portion(&self, queue: QueueName, mut pending: Vec<Pending>) -> Vec<Sent> {
        let mut results = Vec::with_capacity(pending.len());
        let Some(url) = self.urls.get(&queue) else {
            let failed = |(place, _)| (place, Err(unavailable(queue, "no URL is configured for it")));
            return pending.into_iter().map(failed).collect();
        };
        let mut tries = 0;
        while !pending.is_empty() {
            tries += 1;
            let answers = match batch::send(&self.client, url, &pending).await {
                Ok(answers) => answers,
                Err(error) => {
                    // One failure for all of them.
                    let error = Arc::new(error);
                    let failed = |(place, _)| (place, Err(unavailable(queue, Arc::clone(&error))));
                    results.extend(pending.into_iter().map(failed));
                    break;
                }
            };
            let goes_on = self.backoff.goes_on(tries);
            let mut left = Vec::new();
            for ((place, message), answer) in pending.into_iter().zip(answers) {
                match answer {
                    Answer::Taken => results.push((place, Ok(()))),
                    Answer::Refused(reason) => {
                        results.push((place, Err(QueueError::Refused { queue, reason })))
                    }
                    Answer::Left(_) if goes_on => left.push((place, message)),
                    Answer::Left(reason) => results.push((place, Err(unavailable(queue, reason)))),
                }
            }
            if !left.is_empty() {
                self.backoff.wait(tries).await;
            }
            pending = left;
        }
        results
    }
}

fn unavailable(queue: QueueName, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> QueueError {
    QueueError::Unavailable { queue, source: source.into() }
}

#[async_trait]
impl Queue for SqsQueues {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let (mut results, mut accepted) = (Vec::with_capacity(messages.len()), Vec::new());
        for (place, mut message) in messages.into_iter().enumerate() {
            message.body = message.body.written();
            match limits::check(queue, &message) {
                Ok(()) => accepted.push(Some((place, message))),
                Err(error) => results.push((place, Err(error))),
            }
        }
        let sizes = accepted.iter().flatten().map(|(_, message)| message.body.text().len());
        let portions = limits::portions(sizes);
        let portions: Vec<Vec<Pending>> = portions
            .into_iter()
            .map(|portion| portion.into_iter().filter_map(|index| accepted[index].take()).collect())
            .collect();
        let mut sent = stream::iter(portions)
            .map(|portion| self.send_portion(queue, portion))
            .buffer_unordered(PARALLEL);
        while let Some(sent) = sent.next().await {
            results.extend(sent);
        }
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }
}
