//! The buckets of rate limits, each one item that instances change on the condition that nobody else has.

use std::sync::Arc;
use std::time::Duration;

use postrider_domain::rate_limit::Bucket;
use postrider_domain::{EndpointId, TenantId};
use serde::{Deserialize, Serialize};

use super::item::{decode, encode};
use crate::ports::table::{Expression, Key, Put, Table, TableError, TableName};

const TABLE: TableName = TableName::Ledger;

/// How long a bucket is kept that nobody uses and nobody waits for: one that is gone is full.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// What a bucket limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BucketKey {
    /// The attempts for an endpoint.
    Endpoint(TenantId, EndpointId),
    /// The events that a tenant publishes.
    Publishing(TenantId),
}

impl BucketKey {
    fn key(&self) -> Key {
        let pk = match self {
            Self::Endpoint(tenant, endpoint) => format!("T#{tenant}#R#{endpoint}"),
            Self::Publishing(tenant) => format!("T#{tenant}#R"),
        };
        Key::new(pk, "RATE")
    }
}

#[derive(Serialize, Deserialize)]
struct BucketItem {
    pk: String,
    sk: String,
    spent_until: u64,
    booked_until: u64,
    interval: u64,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL.
    expires_at: u64,
}

/// A bucket as it was read or written last. The default is one that nobody used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionedBucket {
    /// The bucket.
    pub bucket: Bucket,
    /// Counts changes; 0 for one that is not in the table.
    pub version: u64,
}

/// What saving a bucket came to.
#[derive(Debug)]
pub enum SavedBucket {
    /// It is saved; its version is one higher.
    Yes,
    /// Somebody changed it in between: this is how it stands.
    Changed(VersionedBucket),
}

/// The buckets.
#[derive(Clone)]
pub struct Buckets(Arc<dyn Table>);

impl Buckets {
    /// The buckets in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// A bucket, perhaps as it was shortly before.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, key: &BucketKey) -> Result<Bucket, TableError> {
        let item = self.0.get(TABLE, key.key(), false).await?;
        Ok(item.map(|item| decode::<BucketItem>(TABLE, item)).transpose()?.map_or_else(Bucket::default, read))
    }

    /// Saves a bucket that was read, or written, at this version.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, key: &BucketKey, form: VersionedBucket) -> Result<SavedBucket, TableError> {
        let Key { pk, sk } = key.key();
        let VersionedBucket { bucket, version } = form;
        let needed_until = bucket.spent_until.max(bucket.booked_until) / 1_000_000_000;
        let item = BucketItem {
            pk,
            sk,
            spent_until: bucket.spent_until,
            booked_until: bucket.booked_until,
            interval: bucket.interval,
            version: version + 1,
            expires_at: needed_until + RETENTION.as_secs(),
        };
        let condition = match version {
            0 => Expression::new("attribute_not_exists(pk)"),
            version => Expression::new("version = :version").number_value(":version", version),
        };
        let put = Put { table: TABLE, item: encode(TABLE, &item)?, condition: Some(condition) };
        match self.0.put(put).await {
            Ok(()) => Ok(SavedBucket::Yes),
            // One that nobody used for a day may have been removed.
            Err(TableError::ConditionFailed { current: None }) => {
                Ok(SavedBucket::Changed(VersionedBucket::default()))
            }
            Err(TableError::ConditionFailed { current: Some(current) }) => {
                let item: BucketItem = decode(TABLE, *current)?;
                let version = item.version;
                Ok(SavedBucket::Changed(VersionedBucket { bucket: read(item), version }))
            }
            Err(error) => Err(error),
        }
    }
}

fn read(item: BucketItem) -> Bucket {
    Bucket { spent_until: item.spent_until, booked_until: item.booked_until, interval: item.interval }
}
