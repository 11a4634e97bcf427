//! What stands between a queue and a function on Lambda: batches, concurrency, partial batch failures.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use postrider_application::ports::{QueueName, QueueRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::LocalQueues;
use super::state::HandedOut;

/// Deals with a batch and answers the ids of the messages that must come again.
pub type Handler = Arc<dyn Fn(Vec<QueueRecord>) -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// How the messages of a batch are handed to the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each by itself, and what is done is done: one that takes long keeps no other's place, and a panic is one
    /// message's failure.
    Apart,
    /// All together, because together they cost less. After a panic each goes by itself, so that one message does
    /// not take the others with it. A group is in half of the batches at most, so that one that sends much, or whose
    /// messages take long, leaves room for the others'.
    Together,
}

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct EventSourceConfig {
    /// How many messages a batch has at most (`BatchSize`).
    pub batch_size: usize,
    /// How many batches are dealt with at a time (`MaximumConcurrency`).
    pub concurrency: usize,
    /// Whether a batch is dealt with as a whole.
    pub grouping: Grouping,
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
        let Self { queues, queue, config, handler } = self;
        let apart = config.grouping == Grouping::Apart;
        // A place for each message, or for each batch.
        let size = if apart { config.batch_size } else { 1 };
        let places = Arc::new(Semaphore::new(config.concurrency * size));
        let mut present = Present::new(if apart { usize::MAX } else { config.concurrency.div_ceil(2) });
        let mut batches = JoinSet::new();
        loop {
            let ready = async {
                let place = Arc::clone(&places).acquire_owned().await;
                queues.wait(queue, |group| present.may_join(group)).await;
                place
            };
            let place = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(over) = batches.join_next(), if !batches.is_empty() => {
                    present.leave(over.unwrap_or_default());
                    continue;
                }
                place = ready => place,
            };
            let Ok(mut place) = place else { break };
            // While there is other work, what it sends shares the batch; when there is none this takes no time.
            tokio::task::yield_now().await;
            while place.num_permits() < size
                && let Ok(another) = Arc::clone(&places).try_acquire_owned()
            {
                place.merge(another);
            }
            let most = if apart { place.num_permits() } else { config.batch_size };
            let messages = queues.receive(queue, most, config.visibility, |group| present.may_join(group));
            if messages.is_empty() {
                continue;
            }
            let (queues, handler) = (Arc::clone(&queues), Arc::clone(&handler));
            if apart {
                batches.spawn(async move {
                    deal_apart(&queues, queue, &handler, messages, &mut place).await;
                    HashSet::new()
                });
            } else {
                let groups = present.join(&messages);
                batches.spawn(async move {
                    deal_with(&queues, queue, handler, messages).await;
                    drop(place);
                    groups
                });
            }
        }
        while batches.join_next().await.is_some() {}
    }
}

/// In how many batches each group is.
struct Present {
    most: usize,
    batches: HashMap<Arc<str>, usize>,
}

impl Present {
    /// Each may be in so many.
    fn new(most: usize) -> Self {
        Self { most, batches: HashMap::new() }
    }

    /// Whether a group may be in one more.
    fn may_join(&self, group: &str) -> bool {
        self.batches.get(group).is_none_or(|batches| *batches < self.most)
    }

    /// A batch has begun. Answers its groups.
    fn join(&mut self, messages: &[HandedOut]) -> HashSet<Arc<str>> {
        let groups: HashSet<_> = messages.iter().map(|message| Arc::clone(&message.group)).collect();
        groups.iter().for_each(|group| *self.batches.entry(Arc::clone(group)).or_default() += 1);
        groups
    }

    /// A batch of these groups is over.
    fn leave(&mut self, groups: HashSet<Arc<str>>) {
        for group in groups {
            if let Entry::Occupied(mut present) = self.batches.entry(group) {
                *present.get_mut() -= 1;
                if *present.get() == 0 {
                    present.remove();
                }
            }
        }
    }
}

async fn deal_with(queues: &LocalQueues, queue: QueueName, handler: Handler, messages: Vec<HandedOut>) {
    let (ids, records): (Vec<u64>, Vec<QueueRecord>) =
        messages.into_iter().map(|message| (message.id, message.record)).unzip();
    let failed = match unless_it_panics(&handler, records.clone()).await {
        Some(failed) => failed,
        None if records.len() == 1 => records.into_iter().map(|record| record.message_id).collect(),
        None => {
            tracing::error!(queue = %queue, "the work on a batch panicked: each message by itself");
            let work = ids.iter().zip(records).map(|(id, record)| async {
                (!by_itself(queue, &handler, *id, record).await).then(|| id.to_string())
            });
            join_all(work).await.into_iter().flatten().collect()
        }
    };
    let failed: HashSet<String> = failed.into_iter().collect();
    let is_done = |id: &u64| failed.is_empty() || !failed.contains(&id.to_string());
    let done: Vec<u64> = ids.into_iter().filter(is_done).collect();
    queues.delete(queue, &done);
}

/// Hands over one message. Answers whether it is done.
async fn by_itself(queue: QueueName, handler: &Handler, id: u64, record: QueueRecord) -> bool {
    match unless_it_panics(handler, vec![record]).await {
        Some(failed) => failed.is_empty(),
        None => {
            tracing::error!(queue = %queue, message.id = id, "the work on a message panicked");
            false
        }
    }
}

/// What the handler answers; `None` when it panicked, as the end of a Lambda instance would be.
async fn unless_it_panics(handler: &Handler, records: Vec<QueueRecord>) -> Option<Vec<String>> {
    AssertUnwindSafe(async { handler(records).await }).catch_unwind().await.ok()
}

/// Deals with each message by itself, and frees its place when it is over. Those that are over together are removed
/// together.
async fn deal_apart(
    queues: &LocalQueues,
    queue: QueueName,
    handler: &Handler,
    messages: Vec<HandedOut>,
    places: &mut OwnedSemaphorePermit,
) {
    let unused = places.num_permits().saturating_sub(messages.len());
    drop(places.split(unused));
    let work = messages.into_iter().map(|HandedOut { id, record, .. }| async move {
        by_itself(queue, handler, id, record).await.then_some(id)
    });
    let mut over = work.collect::<FuturesUnordered<_>>().ready_chunks(places.num_permits().max(1));
    while let Some(over) = over.next().await {
        let done: Vec<u64> = over.iter().flatten().copied().collect();
        queues.delete(queue, &done);
        drop(places.split(over.len()));
    }
}
