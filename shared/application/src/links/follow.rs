//! From a link, or an event's id, to the data.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_domain::{EventId, TenantId};

use super::token::{LinkKey, Token};
use crate::messages::Payload;
use crate::ports::blobs::load;
use crate::ports::{BlobError, Blobs, Clock, Freshness, MasterKeys, TableError, Vault, VaultError};
use crate::stores::Events;
use crate::stores::events::{RETENTION, StoredEvent};

/// How long a link to where a blob is kept lives: for the one request that follows at once.
const BLOB_LINK: Duration = Duration::from_secs(300);

/// A link leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It is none that was made here, or one under a master key that was removed.
    #[error("this is not a link that was made here")]
    Unknown,
    /// It was good once: its time is over, or its event is not kept any more.
    #[error("this link has ended, or what it led to is not kept any more")]
    Ended,
    /// The master keys cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The data of an event that is there.
#[derive(Debug, Clone)]
pub struct FoundData {
    payload: Payload,
    /// Names this data: other data has another text.
    pub tag: String,
}

impl FoundData {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.payload.size()
    }
}

/// Data, or where to get it.
pub enum Opened {
    /// The JSON text, as it came.
    Here(Bytes),
    /// A link that is good for a few minutes. Whoever has it reads the data.
    At(String),
}

/// Finds and reads the data of events.
#[derive(Clone)]
pub struct ReadData {
    events: Events,
    blobs: Arc<dyn Blobs>,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
}

impl ReadData {
    /// Data in these stores, and links under the master keys of this vault.
    pub fn new(events: Events, blobs: Arc<dyn Blobs>, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { events, blobs, vault, clock }
    }

    /// What a link leads to.
    ///
    /// # Errors
    /// When it leads nowhere, or a store fails. Nothing is said of events to who has no genuine link.
    pub async fn of_link(&self, token: &str, signature: &str) -> Result<FoundData, FollowError> {
        let claims = Token::read(token).ok_or(FollowError::Unknown)?;
        if !self.is_genuine(token, signature).await? {
            return Err(FollowError::Unknown);
        }
        if claims.expires_at <= self.clock.now() {
            return Err(FollowError::Ended);
        }
        let stored = self.events.get(&claims.tenant, &claims.event).await?;
        let same = stored.filter(|stored| stored.event.accepted_at == claims.accepted_at);
        same.and_then(|stored| self.kept(stored)).ok_or(FollowError::Ended)
    }

    /// A signature that no known key made may be under one that was just set.
    async fn is_genuine(&self, token: &str, signature: &str) -> Result<bool, VaultError> {
        for freshness in [Freshness::Known, Freshness::New] {
            let MasterKeys { current, older } = &*self.vault.master_keys(freshness).await?;
            let mut keys = [current].into_iter().chain(older);
            if keys.any(|key| LinkKey::of(key).has_signed(token, signature)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The data of a tenant's event; `None` when there is no such event.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn of_event(
        &self,
        tenant: &TenantId,
        event: &EventId,
    ) -> Result<Option<FoundData>, TableError> {
        Ok(self.events.get(tenant, event).await?.and_then(|stored| self.kept(stored)))
    }

    /// The data of an event, unless the table only has not removed it yet.
    fn kept(&self, stored: StoredEvent) -> Option<FoundData> {
        let is_kept = stored.event.begins_at().after(RETENTION) > self.clock.now();
        is_kept.then(|| FoundData { payload: stored.payload, tag: stored.digest.as_str().to_owned() })
    }

    /// Reads data, or says where it can be got without passing through here.
    ///
    /// # Errors
    /// When the store of large payloads fails.
    pub async fn open(&self, found: &FoundData) -> Result<Opened, BlobError> {
        if let Payload::Stored { key, .. } = &found.payload
            && let Some(link) = self.blobs.link(key, self.clock.now(), BLOB_LINK).await?
        {
            return Ok(Opened::At(link));
        }
        Ok(Opened::Here(load(&*self.blobs, &found.payload).await?))
    }
}
