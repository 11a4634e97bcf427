//! `deliver-webhook`: fed by the queues `webhook` and `webhook-express`, makes an attempt for each message.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, Secrets};
use postrider_application::links::DataLinks;
use postrider_application::ports::QueueName;
use postrider_application::stores::{Deliveries, Endpoints};
use postrider_channels::webhook::WebhookChannel;
use postrider_domain::ChannelKind;
use postrider_lambda_kit::{Grouping, Start, run_batches};
use postrider_outbound::HttpOutbound;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, blobs) = (start.table()?, start.blobs()?);
    let webhook = ChannelKind::Webhook;
    let queues = [
        QueueName::Events,
        QueueName::Channel(webhook),
        QueueName::Express(webhook),
        QueueName::ChannelDead(webhook),
    ];
    let queue = start.queues(&queues)?;
    let outbound = Arc::new(HttpOutbound::new(&start.allowed_networks()?)?);
    let (clock, entropy) = (start.clock.clone(), start.entropy.clone());
    let vault = start.vault().await?;
    let secrets = Secrets::new(vault.clone(), entropy.clone());
    let links = start.public_url()?.map(|url| DataLinks::new(url, vault));
    let endpoints = Endpoints::new(table.clone());
    let channel = Arc::new(WebhookChannel::new(outbound).linking(links.is_some()));
    let open = OpenEndpoints::new(endpoints.clone(), secrets, channel, clock.clone());
    let status = ChangeStatus::new(endpoints, queue.clone(), clock.clone());
    let deliveries = Deliveries::new(table);
    let deliver = Deliver::new(deliveries, open, status, queue, blobs, clock.clone(), entropy);
    let deliver = Arc::new(deliver.circuit_rules(start.circuit_rules()?).linking(links));
    run_batches(clock, Grouping::Each, move |records| {
        let deliver = deliver.clone();
        async move { deliver.handle(records).await }
    })
    .await
}
