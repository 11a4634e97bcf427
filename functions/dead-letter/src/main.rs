//! `dead-letter`: fed by the dead-letter queues, records what arrives in them where people find it.

use std::sync::Arc;

use lambda_runtime::Error;
use postrider_application::ports::QueueName;
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::stores::{DeadLetters, Deliveries};
use postrider_lambda_kit::{Grouping, Start, queue_of, run_batches};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::begin().await?;
    let table = start.table()?;
    let of_events = queue_of(start.queue_url(QueueName::EventsDead)?).to_owned();
    let (deliveries, dead_letters) = (Deliveries::new(table.clone()), DeadLetters::new(table));
    let record = Arc::new(RecordDeadLetter::new(deliveries, dead_letters, start.clock.clone()));
    run_batches(start.clock, Grouping::Each, move |batch| {
        let (record, of_events) = (record.clone(), batch.queue == of_events);
        async move {
            match of_events {
                true => record.handle_events(batch.records).await,
                false => record.handle_channel(batch.records).await,
            }
        }
    })
    .await
}
