//! `fanout`: fed by the queue `events`, creates a delivery for each endpoint that asked for an event, and moves jobs
//! on.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::fan_out::FanOut;
use postrider_application::jobs::RunJobs;
use postrider_application::ports::QueueName;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs};
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
    let (events, clock) = (Events::new(table.clone()), start.clock);
    let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
    let redeliver = Redeliver::new(
        endpoints.clone(),
        deliveries.clone(),
        events,
        DeadLetters::new(table.clone()),
        queue.clone(),
        clock.clone(),
    );
    let jobs = RunJobs::new(Jobs::new(table), redeliver);
    let fan_out = Arc::new(FanOut::new(endpoints, deliveries, queue, blobs, clock.clone(), release, jobs));
    run_batches(clock, Grouping::Together, move |records| {
        let fan_out = fan_out.clone();
        async move { fan_out.handle(records).await }
    })
    .await
}
