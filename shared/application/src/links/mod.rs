//! Links to the data of one event, for receivers that get one in place of the data.
//!
//! A link is the public address of this API, the path `/d/<token>`, and the query `?signature=<mac>`. The token says
//! which event of which tenant, accepted when, and until when the link is good; the signature is the HMAC-SHA256 of
//! the token under a key that is derived from the master key. So nothing is stored for a link, nobody makes one
//! without the master key, and it ends by itself or when the master key that it was made under is removed. The
//! signature is in the query because paths are what gateways write into their logs.

mod address;
mod follow;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{Event, Timestamp};

pub use self::address::{PublicUrl, PublicUrlError};
pub use self::follow::{FollowError, FoundData, Opened, ReadData};
use self::token::{LinkKey, Token};
use crate::messages::Payload;
use crate::ports::{Freshness, Vault, VaultError};
use crate::stores::events::RETENTION;

/// A link to the data of an event. Whoever has it reads the data, so that it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DataLink {
    /// The whole link.
    pub url: String,
    /// From when on it leads nowhere.
    pub expires_at: Timestamp,
    /// The size of the data in bytes.
    pub bytes: u64,
}

impl fmt::Debug for DataLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DataLink");
        shown.field("expires_at", &self.expires_at).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Makes links.
#[derive(Clone)]
pub struct DataLinks {
    base: PublicUrl,
    vault: Arc<dyn Vault>,
}

impl DataLinks {
    /// Links below this address, under the master key of this vault.
    pub fn new(base: PublicUrl, vault: Arc<dyn Vault>) -> Self {
        Self { base, vault }
    }

    /// A link to the data of an event that is good for `ttl`, or as long as the event is kept.
    ///
    /// # Errors
    /// When the master key cannot be read.
    pub async fn link(
        &self,
        event: &Event,
        payload: &Payload,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<DataLink, VaultError> {
        // A former master key comes out of use for links as it does for seals.
        let keys = self.vault.master_keys(Freshness::Recent).await?;
        let until = now.after(ttl).min(event.begins_at().after(RETENTION));
        let token = Token {
            tenant: event.tenant.clone(),
            event: event.id.clone(),
            accepted_at: event.accepted_at,
            expires_at: Timestamp::from_millis(until.as_seconds() * 1_000),
        };
        let text = token.write();
        let signature = LinkKey::of(&keys.current).sign(&text);
        let url = format!("{}/d/{text}?signature={signature}", self.base);
        Ok(DataLink { url, expires_at: token.expires_at, bytes: payload.size() })
    }
}
