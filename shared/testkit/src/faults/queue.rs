//! The Queue port with faults.

use std::sync::Arc;

use async_trait::async_trait;
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};

use super::plan::{Failing, FaultPlan, ToldToFail};

/// A queue that fails by a plan. A call is one sending of any number of messages.
pub struct FaultyQueue {
    inner: Arc<dyn Queue>,
    plan: Arc<FaultPlan>,
}

impl FaultyQueue {
    /// This queue, failing by this plan.
    pub fn new(inner: Arc<dyn Queue>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let count = messages.len();
        let failing = self.plan.next();
        let results = match failing {
            Some(Failing::Before) => Vec::new(),
            Some(Failing::After) | None => self.inner.send(queue, messages).await,
        };
        if failing.is_none() {
            return results;
        }
        let told_to_fail = |_| Err(QueueError::Unavailable { queue, source: ToldToFail.into() });
        (0..count).map(told_to_fail).collect()
    }
}
