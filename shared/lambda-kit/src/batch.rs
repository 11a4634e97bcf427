//! Batches of messages: each message by itself, and an answer before the time is up.
//!
//! What fails here is our own trouble, and comes again after the visibility time-out: a record whose work
//! panicked, or was not over shortly before the deadline. The use cases recognise what was done before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use postrider_application::ports::{Clock, QueueRecord};
use tokio::task::JoinSet;

use crate::messages::record;

/// How long before the deadline of an invocation it answers, at the latest.
const MARGIN: Duration = Duration::from_millis(1500);

/// How a batch is handed to its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each message in a batch of its own, all at the same time.
    Each,
    /// All together, because together they cost less. After a panic each goes by itself, so that one message
    /// does not take the others with it.
    Together,
}

/// Runs a function that is fed by SQS, for as long as Lambda lets it. The handler answers the ids of the
/// messages that must come again.
///
/// # Errors
/// When Lambda's runtime API cannot be used.
pub async fn run_batches<H, F>(clock: Arc<dyn Clock>, grouping: Grouping, handler: H) -> Result<(), Error>
where
    H: Fn(Vec<QueueRecord>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Vec<String>> + Send + 'static,
{
    let service = service_fn(|event: LambdaEvent<SqsEvent>| {
        let (clock, handler) = (clock.clone(), handler.clone());
        async move { answer_batch(&*clock, grouping, handler, event.payload, &event.context).await }
    });
    lambda_runtime::run(service).await
}

/// Deals with one invocation.
///
/// # Errors
/// When a message has no id, so that nothing could be reported of it.
pub async fn answer_batch<H, F>(
    clock: &dyn Clock,
    grouping: Grouping,
    handler: H,
    event: SqsEvent,
    context: &Context,
) -> Result<SqsBatchResponse, Error>
where
    H: Fn(Vec<QueueRecord>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Vec<String>> + Send + 'static,
{
    let left = Duration::from_millis(context.deadline.saturating_sub(clock.now().as_millis()));
    let messages = event.records.len();
    let records: Vec<_> = event.records.into_iter().filter_map(record).collect();
    if records.len() < messages {
        // An empty id in the answer would fail the whole batch, or delete it: so all of it comes again.
        return Err("a message has no id".into());
    }
    let failed = deal_with(grouping, handler, records, left.saturating_sub(MARGIN)).await;
    let failures = failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.collect();
    Ok(response)
}

async fn deal_with<H, F>(
    grouping: Grouping,
    handler: H,
    records: Vec<QueueRecord>,
    left: Duration,
) -> HashSet<String>
where
    H: Fn(Vec<QueueRecord>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Vec<String>> + Send + 'static,
{
    let mut unfinished: HashSet<String> = ids(&records).into_iter().collect();
    let mut failed = HashSet::new();
    let singles = |part: &[QueueRecord]| part.iter().map(|record| vec![record.clone()]).collect::<Vec<_>>();
    let work = async {
        let mut parts =
            if grouping == Grouping::Together { vec![records.clone()] } else { singles(&records) };
        while !parts.is_empty() {
            // Dropped when the time is up, the set ends its tasks.
            let mut tasks = JoinSet::new();
            let part_of: HashMap<_, _> =
                parts.drain(..).map(|part| (tasks.spawn(handler(part.clone())).id(), part)).collect();
            while let Some(ended) = tasks.join_next_with_id().await {
                match ended {
                    Ok((task, again)) => {
                        unfinished.retain(|id| part_of[&task].iter().all(|record| record.message_id != *id));
                        failed.extend(again);
                    }
                    Err(error) => {
                        let part = &part_of[&error.id()];
                        tracing::error!(%error, message.ids = ?ids(part), "the work on messages panicked");
                        if part.len() > 1 {
                            parts.extend(singles(part));
                        }
                    }
                }
            }
        }
    };
    if tokio::time::timeout(left, work).await.is_err() {
        tracing::warn!(unfinished = unfinished.len(), "the time is up: what is not done comes again");
    }
    failed.extend(unfinished);
    failed
}

fn ids(records: &[QueueRecord]) -> Vec<String> {
    records.iter().map(|record| record.message_id.clone()).collect()
}

#[cfg(test)]
mod tests;
