//! `schedule`: called every minute, sends the messages of deliveries and events that waited for longer than a queue
//! can hold one, and looks at circuits whose time has come.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postrider_application::ports::QueueName;
use postrider_application::schedule::Schedule;
use postrider_application::stores::{Deliveries, Events};
use postrider_domain::ChannelKind;
use postrider_lambda_kit::Start;
use serde::de::IgnoredAny;

/// How long before its deadline a run ends.
const MARGIN: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, clock) = (start.table()?, start.clock.clone());
    let webhook = ChannelKind::Webhook;
    let queues = [QueueName::Events, QueueName::Channel(webhook), QueueName::Express(webhook)];
    let queue = start.queues(&queues)?;
    let (deliveries, events) = (Deliveries::new(table.clone()), Events::new(table));
    let schedule = Arc::new(Schedule::new(deliveries, events, queue, clock.clone()));
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        let (schedule, now) = (schedule.clone(), clock.now());
        async move {
            let left = Duration::from_millis(event.context.deadline.saturating_sub(now.as_millis()));
            let run = schedule.run(left.saturating_sub(MARGIN)).await?;
            tracing::info!(
                target: "schedule.ran",
                moved = run.moved,
                circuits = run.circuits,
                failed = run.failed,
                run.unfinished
            );
            Ok::<_, Error>(())
        }
    }))
    .await
}
