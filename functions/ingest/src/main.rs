//! `ingest`: accepts events, called by API Gateway over HTTP, by EventBridge with an event of the bus, and by
//! SQS with messages of the inbox.

mod bus;
mod inbox;
mod invocation;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postrider_application::access::Authenticator;
use postrider_application::inbox::Inbox;
use postrider_application::ingest::Ingest;
use postrider_application::ports::QueueName;
use postrider_application::publish_limits::PublishLimits;
use postrider_application::stores::{ApiKeys, Endpoints, Events, Tenants};
use postrider_http_api::{IngestServices, ingest_router};
use postrider_lambda_kit::Start;
use serde_json::value::RawValue;

use crate::invocation::Invocations;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, blobs, queue) = (start.table()?, start.blobs()?, start.queues(&[QueueName::Events])?);
    let vault = start.vault().await?;
    let (clock, entropy) = (start.clock, start.entropy);
    let (keys, tenants) = (ApiKeys::new(table.clone()), Tenants::new(table.clone()));
    let (endpoints, events) = (Endpoints::new(table.clone()), Events::new(table));
    let ingest = Ingest::new(events, endpoints, queue, blobs, clock.clone(), entropy.clone());
    let ingest = ingest.limited(Arc::new(PublishLimits::new(tenants.clone(), clock.clone(), entropy)));
    let inbox = Arc::new(Inbox::new(tenants.clone(), ingest.clone().patient(), clock.clone()));
    let authenticator = Arc::new(Authenticator::new(keys, tenants, vault, clock.clone()));
    let router = ingest_router(IngestServices { authenticator, ingest });
    let invocations = Invocations::new(router, inbox, clock);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let invocations = invocations.clone();
        async move { invocations.answer(&event.payload, &event.context).await }
    }))
    .await
}
