//! `schedule`: called every minute, sends the messages of deliveries and events that waited for longer than a queue
//! can hold one, looks at circuits whose time has come, counts whether what was accepted is accounted for, and goes on
//! with sealing everything again where the operator has asked for it.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postrider_application::endpoints::Secrets;
use postrider_application::ports::QueueName;
use postrider_application::reconcile::{self, Reconcile};
use postrider_application::reseal::Reseal;
use postrider_application::schedule::Schedule;
use postrider_application::stores::{Deliveries, Endpoints, Events, ResealJobs, Tenants};
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
    let (deliveries, events) = (Deliveries::new(table.clone()), Events::new(table.clone()));
    let (endpoints, tenants) = (Endpoints::new(table.clone()), Tenants::new(table.clone()));
    let schedule = Arc::new(Schedule::new(deliveries.clone(), events.clone(), queue.clone(), clock.clone()));
    let reconcile = Arc::new(Reconcile::new(events, deliveries, tenants.clone(), queue, clock.clone()));
    let secrets = Secrets::new(start.vault().await?, start.entropy.clone());
    let reseal = Reseal::new(endpoints, tenants, ResealJobs::new(table), secrets, clock.clone());
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        let (schedule, reconcile) = (schedule.clone(), reconcile.clone());
        let (reseal, clock) = (reseal.clone(), clock.clone());
        async move {
            let left = || {
                let left = event.context.deadline.saturating_sub(clock.now().as_millis());
                Duration::from_millis(left).saturating_sub(MARGIN)
            };
            let run = schedule.run(left()).await?;
            tracing::info!(
                target: "schedule.ran",
                moved = run.moved,
                circuits = run.circuits,
                failed = run.failed,
                run.unfinished
            );
            let reconciled = reconcile.run(left().min(reconcile::TIME)).await?;
            tracing::info!(
                target: "reconcile.ran",
                opened = reconciled.opened,
                looked_at = reconciled.looked_at,
                repaired = reconciled.repaired,
                failed = reconciled.failed,
                reconciled.unfinished
            );
            let portion = reseal.run(left()).await?;
            tracing::info!(target: "reseal.ran", resealed = portion.resealed, portion.finished);
            Ok::<_, Error>(())
        }
    }))
    .await
}
