//! What the use cases need of the world outside, each as small as it can be. Every port has a real
//! implementation on AWS and one inside a single process.

pub mod blobs;
pub mod channel;
pub mod clock;
pub mod entropy;
pub mod outbound;
pub mod queue;
pub mod table;
pub mod vault;

pub use blobs::{BlobError, Blobs};
pub use channel::{AttemptJob, AttemptResult, Channel, Channels, Content, Destination};
pub use clock::Clock;
pub use entropy::Entropy;
pub use outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
pub use queue::{OutgoingMessage, Queue, QueueError, QueueName, QueueRecord};
pub use table::{Table, TableError, TableName};
pub use vault::{Freshness, MasterKey, MasterKeys, Vault, VaultError};
