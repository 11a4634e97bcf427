//! The Queue port, counted.

use std::sync::Arc;

use async_trait::async_trait;
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};

use super::Meter;
use super::sizes::{billed_requests, requests_of};

/// A queue whose requests are counted.
pub struct MeteredQueue {
    inner: Arc<dyn Queue>,
    meter: Arc<Meter>,
}

impl MeteredQueue {
    /// This queue, counted by this meter.
    pub fn new(inner: Arc<dyn Queue>, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }

    /// Counts what Lambda's event source did for one batch: it received the messages, each of them with so many
    /// bytes, and removed those that were dealt with.
    pub fn batch_handled(&self, queue: QueueName, sizes: &[usize], failed: usize) {
        self.meter.count_queue(queue, |bill| {
            bill.receives += billed_requests(sizes.iter().sum());
            bill.deletes += u64::from(failed < sizes.len());
            bill.messages_received += sizes.len() as u64;
        });
    }
}

#[async_trait]
impl Queue for MeteredQueue {
    async fn send(&self, queue: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        let requests = requests_of(&messages);
        self.meter.count_queue(queue, |bill| {
            bill.sends += requests.iter().map(|(_, bytes)| billed_requests(*bytes)).sum::<u64>();
            bill.messages_sent += messages.len() as u64;
        });
        self.inner.send(queue, messages).await
    }
}
