//! The ports on AWS: DynamoDB, SQS, S3, Secrets Manager. The only crate that names the SDK.
//!
//! [`Sdk`] makes the clients, with time-outs and retries set; the ports are built from a client and the names
//! of what it uses. Nothing here reads the environment, apart from what the SDK itself reads.

mod backoff;
pub mod blobs;
pub mod queue;
pub mod s3;
pub mod sdk;
pub mod table;
pub mod vault;

pub use backoff::Backoff;
pub use blobs::S3Blobs;
pub use queue::SqsQueues;
pub use s3::Bucket;
pub use sdk::Sdk;
pub use table::{DynamoTable, TableNames};
pub use vault::{SecretNames, SecretsManagerVault};
