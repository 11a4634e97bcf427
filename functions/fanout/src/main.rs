//! `fanout`: fed by the queue `events`, creates a delivery for each endpoint that asked for an event.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::fan_out::FanOut;
use postrider_application::ports::QueueName;
use postrider_application::release::Release;
use postrider_application::stores::{Deliveries, Endpoints, Events};
use postrider_domain::ChannelKind;
use postrider_lambda_kit::{Grouping, Start, run_batches};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, blobs) = (start.table()?, start.blobs()?);
    let webhook = ChannelKind::Webhook;
    let queues = [QueueName::Events, QueueName::Channel(webhook), QueueName::Express(webhook)];
    let queue = start.queues(&queues)?;
    let (endpoints, deliveries) = (Endpoints::new(table.clone()), Deliveries::new(table.clone()));
    let release = Release::new(endpoints.clone(), deliveries.clone(), Events::new(table), queue.clone());
    let fan_out = Arc::new(FanOut::new(endpoints, deliveries, queue, blobs, start.clock.clone(), release));
    run_batches(start.clock, Grouping::Together, move |records| {
        let fan_out = fan_out.clone();
        async move { fan_out.handle(records).await }
    })
    .await
}
