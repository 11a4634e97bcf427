//! `query`: called by API Gateway for everything that is only read, and for links to data.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::access::Authenticator;
use postrider_application::links::ReadData;
use postrider_application::query::Lookup;
use postrider_application::stores::{
    ApiKeys, DeadLetters, Deliveries, Endpoints, Events, Jobs, Tenants, Unreadable,
};
use postrider_http_api::{QueryServices, query_router};
use postrider_lambda_kit::{Start, run_http};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let (table, blobs) = (start.table()?, start.blobs()?);
    let (keys, tenants) = (ApiKeys::new(table.clone()), Tenants::new(table.clone()));
    let vault = start.vault().await?;
    let authenticator = Authenticator::new(keys, tenants, vault.clone(), start.clock.clone());
    let endpoints = Endpoints::new(table.clone());
    let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
    run_http(query_router(QueryServices {
        authenticator: Arc::new(authenticator),
        data: ReadData::new(events.clone(), blobs.clone(), vault, start.clock.clone()),
        lookup: Lookup::new(endpoints.clone(), events, deliveries, blobs),
        endpoints,
        dead_letters: DeadLetters::new(table.clone()),
        unreadable: Unreadable::new(table.clone()),
        jobs: Jobs::new(table),
        clock: start.clock,
    }))
    .await
}
