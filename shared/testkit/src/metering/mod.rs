//! Wrappers of the ports that count what AWS would bill for the same calls, so that what a delivery costs can be
//! held in tests without a cloud.
//!
//! Everything that is counted lands in one [`Meter`], which the wrappers share. Units follow the documentation of
//! DynamoDB ("DynamoDB item sizes and formats", "Read and write operations", "Global Secondary Indexes") and of
//! SQS ("Amazon SQS pricing": every API action is a request, each 64 KB of payload one more).

mod bill;
mod blobs;
mod queue;
pub mod sizes;
mod table;

pub use bill::{BlobBill, Meter, QueueBill, TableBill};
pub use blobs::MeteredBlobs;
pub use queue::MeteredQueue;
pub use table::MeteredTable;

#[cfg(test)]
mod tests;
