//! `manage`: called by API Gateway for everything that changes endpoints, keys and tenants or delivers again.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::access::{Authenticator, Keys};
use postrider_application::cancel_event::CancelEvent;
use postrider_application::endpoints::{ChangeStatus, ManageEndpoints, Secrets};
use postrider_application::ingest::Ingest;
use postrider_application::jobs::ManageJobs;
use postrider_application::ports::QueueName;
use postrider_application::redeliver::Redeliver;
use postrider_application::reseal::Reseal;
use postrider_application::stores::{
    ApiKeys, DeadLetters, Deliveries, Endpoints, Events, Jobs, ResealJobs, Tenants,
};
use postrider_domain::ChannelKind;
use postrider_http_api::{ManageServices, manage_router};
use postrider_lambda_kit::{Start, run_http};
use postrider_outbound::HttpOutbound;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, blobs) = (start.table()?, start.blobs()?);
    let webhook = ChannelKind::Webhook;
    let queues = [QueueName::Events, QueueName::Channel(webhook), QueueName::Express(webhook)];
    let queue = start.queues(&queues)?;
    let outbound = Arc::new(HttpOutbound::new(&start.allowed_networks()?)?);
    let channels = postrider_channels::channels(outbound, start.public_url()?.is_some());
    let vault = start.vault().await?;
    let (clock, entropy) = (start.clock, start.entropy);
    let (keys, tenants) = (ApiKeys::new(table.clone()), Tenants::new(table.clone()));
    let (endpoints, events) = (Endpoints::new(table.clone()), Events::new(table.clone()));
    let (deliveries, dead_letters) = (Deliveries::new(table.clone()), DeadLetters::new(table.clone()));
    let authenticator = Authenticator::new(keys.clone(), tenants.clone(), vault.clone(), clock.clone());
    let secrets = Secrets::new(vault, entropy.clone());
    let redeliver = Redeliver::new(
        endpoints.clone(),
        deliveries,
        events.clone(),
        dead_letters,
        queue.clone(),
        clock.clone(),
    );
    let reseal = Reseal::new(
        endpoints.clone(),
        tenants.clone(),
        ResealJobs::new(table.clone()),
        secrets.clone(),
        clock.clone(),
    );
    run_http(manage_router(ManageServices {
        authenticator: Arc::new(authenticator),
        manage: ManageEndpoints::new(endpoints.clone(), channels, secrets, clock.clone(), entropy.clone()),
        status: ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone()),
        ingest: Ingest::new(events.clone(), endpoints.clone(), queue, blobs, clock.clone(), entropy.clone()),
        cancel: CancelEvent::new(events, clock.clone()),
        jobs: ManageJobs::new(Jobs::new(table), redeliver.clone(), entropy.clone()),
        redeliver,
        keys: Arc::new(Keys::new(keys, tenants.clone(), clock.clone(), entropy)),
        endpoints,
        tenants,
        reseal,
        clock,
    }))
    .await
}
