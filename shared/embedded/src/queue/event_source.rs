//! What stands between a queue and a function on Lambda: batches, concurrency, partial batch failures.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use postrider_application::ports::{QueueName, QueueRecord};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::LocalQueues;

/// Deals with a batch and answers the ids of the messages that must come again.
pub type Handler = Arc<dyn Fn(Vec<QueueRecord>) -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct EventSourceConfig {
    /// How many messages a batch has at most (`BatchSize`).
    pub batch_size: usize,
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
            // While there is other work, what it sends shares the batch; when there is none this takes no time.
            tokio::task::yield_now().await;
            let messages = self.queues.receive(self.queue, self.config.batch_size, self.config.visibility);
            if messages.is_empty() {
                continue;
            }
            let work = deal_with(Arc::clone(&self.queues), self.queue, Arc::clone(&self.handler), messages);
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
    handler: Handler,
    messages: Vec<(u64, QueueRecord)>,
) {
    let ids: Vec<u64> = messages.iter().map(|(id, _)| *id).collect();
    let records = messages.into_iter().map(|(_, record)| record).collect();
    // A panic is the batch's failure, as the end of a Lambda instance would be: all of it comes again.
    let handled = AssertUnwindSafe(async { handler(records).await }).catch_unwind();
    let Ok(failed) = handled.await else {
        tracing::error!(queue = %queue, "the handler of a batch panicked");
        return;
    };
    let failed: HashSet<String> = failed.into_iter().collect();
    let is_done = |id: &u64| failed.is_empty() || !failed.contains(&id.to_string());
    let done: Vec<u64> = ids.into_iter().filter(is_done).collect();
    queues.delete(queue, &done);
}
