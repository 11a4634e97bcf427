//! What stands between a queue and a function on Lambda: batches, concurrency, partial batch failures.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use postrider_application::ports::{QueueName, QueueRecord};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::LocalQueues;

/// Deals with a batch and answers the ids of the messages that must come again.
pub type Handler = Arc<dyn Fn(Vec<QueueRecord>) -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// How a batch is handed to its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each message in a batch of its own, all at the same time: a panic is one message's failure.
    Each,
    /// All together, because together they cost less. After a panic each goes by itself, so that one message does
    /// not take the others with it.
    Together,
}

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct EventSourceConfig {
    /// How many messages a batch has at most (`BatchSize`).
    pub batch_size: usize,
    /// How a batch is handed over.
    pub grouping: Grouping,
    /// How many batches are dealt with at a time (`MaximumConcurrency`).
    pub concurrency: usize,
    /// How long messages are invisible while they are dealt with (`VisibilityTimeout`). What failed comes
    /// again when it has passed.
    pub visibility: Duration,
}

/// Hands the messages of one queue to a handler.
pub struct EventSource {
    queues: Arc<LocalQueues>,
    queue: QueueName,
    config: EventSourceConfig,
    handler: Handler,
}

impl EventSource {
    /// Hands the messages of `queue` to `handler`.
    pub fn new(
        queues: Arc<LocalQueues>,
        queue: QueueName,
        config: EventSourceConfig,
        handler: Handler,
    ) -> Self {
        Self { queues, queue, config, handler }
    }

    /// Runs until `stop` turns true, and then until the batches under way are done.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        let mut batches = JoinSet::new();
        loop {
            let ready = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                self.queues.wait(self.queue).await;
                slot
            };
            let slot = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = batches.join_next(), if !batches.is_empty() => continue,
                slot = ready => slot,
            };
            let Ok(slot) = slot else { break };
            let messages = self.queues.receive(self.queue, self.config.batch_size, self.config.visibility);
            if messages.is_empty() {
                continue;
            }
            let (queues, grouping) = (Arc::clone(&self.queues), self.config.grouping);
            let work = deal_with(queues, self.queue, grouping, Arc::clone(&self.handler), messages);
            batches.spawn(async move {
                work.await;
                drop(slot);
            });
        }
        while batches.join_next().await.is_some() {}
    }
}

async fn deal_with(
    queues: Arc<LocalQueues>,
    queue: QueueName,
    grouping: Grouping,
    handler: Handler,
    messages: Vec<(u64, QueueRecord)>,
) {
    let (ids, records): (Vec<u64>, Vec<QueueRecord>) = messages.into_iter().unzip();
    let failed = match grouping {
        Grouping::Each => one_by_one(queue, &handler, records).await,
        Grouping::Together => match tokio::spawn(handler(records.clone())).await {
            Ok(failed) => failed.into_iter().collect(),
            Err(error) if records.len() == 1 => {
                tracing::error!(queue = %queue, %error, "the work on a message panicked");
                records.into_iter().map(|record| record.message_id).collect()
            }
            Err(error) => {
                tracing::error!(queue = %queue, %error, "the work on a batch panicked: each message by itself");
                one_by_one(queue, &handler, records).await
            }
        },
    };
    let done: Vec<u64> = ids.into_iter().filter(|id| !failed.contains(&id.to_string())).collect();
    queues.delete(queue, &done);
}

/// Hands over each message by itself. Answers the ids of those that must come again.
async fn one_by_one(queue: QueueName, handler: &Handler, records: Vec<QueueRecord>) -> HashSet<String> {
    let tasks = records.into_iter().map(|record| {
        let id = record.message_id.clone();
        let task = tokio::spawn(handler(vec![record]));
        async move {
            task.await.unwrap_or_else(|error| {
                tracing::error!(queue = %queue, message.id = id, %error, "the work on a message panicked");
                vec![id]
            })
        }
    });
    join_all(tasks).await.into_iter().flatten().collect()
}
