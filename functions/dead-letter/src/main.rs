//! `dead-letter`: fed by the dead-letter queues, records what arrives in them where people find it.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::stores::{DeadLetters, Deliveries, Jobs, Tenants, Unreadable};
use postrider_lambda_kit::{Grouping, Start, run_batches};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin()?;
    let table = start.table()?;
    let record = Arc::new(RecordDeadLetter::new(
        Deliveries::new(table.clone()),
        DeadLetters::new(table.clone()),
        Jobs::new(table.clone()),
        Tenants::new(table.clone()),
        Unreadable::new(table),
        start.clock.clone(),
    ));
    run_batches(start.clock, Grouping::Each, move |records| {
        let record = record.clone();
        async move { record.handle(records).await }
    })
    .await
}
