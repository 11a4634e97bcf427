//! Making, listing and removing API keys.
//!
//! A key's text is `prk_<26 characters>_<64 hexadecimal characters>`: its public part, by which it is found,
//! and 256 random bits, of which only a hash is stored. A plain SHA-256 is enough for a secret of that length.

use std::sync::Arc;

use ipnet::IpNet;
use postrider_domain::{KeyId, TenantId, Timestamp};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Role;
use crate::ports::{Clock, Entropy, TableError};
use crate::stores::api_keys::{ApiKey, ApiKeys};
use crate::stores::{PageRequest, Paged, Tenants};

/// What is asked for when a key is made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it ends to be valid.
    pub expires_at: Option<Timestamp>,
    /// Where it may be used from; anywhere when empty.
    pub allowed_cidrs: Vec<IpNet>,
}

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    UnknownTenant(TenantId),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The API keys of all tenants.
pub struct Keys {
    keys: ApiKeys,
    tenants: Tenants,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Keys {
    /// The keys in these stores.
    pub fn new(keys: ApiKeys, tenants: Tenants, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys, tenants, clock, entropy }
    }

    /// Makes a key. Its text is answered once and never again.
    ///
    /// # Errors
    /// When there is no such tenant or the table fails.
    pub async fn create(&self, tenant: &TenantId, new: NewKey) -> Result<(ApiKey, SecretString), KeyError> {
        if self.tenants.get(tenant).await?.is_none() {
            return Err(KeyError::UnknownTenant(tenant.clone()));
        }
        let now = self.clock.now();
        let id = KeyId::new(self.entropy.ulid(now));
        let mut secret = [0; 32];
        self.entropy.fill(&mut secret);
        let secret = hex::encode(secret);
        let key = ApiKey {
            id,
            tenant: tenant.clone(),
            name: new.name,
            role: new.role,
            hash: hash(&secret),
            expires_at: new.expires_at,
            allowed_cidrs: new.allowed_cidrs,
            created_at: now,
        };
        self.keys.create(&key).await?;
        Ok((key, SecretString::from(format!("prk_{}_{secret}", id.ulid()))))
    }

    /// A tenant's keys.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list(&self, tenant: &TenantId, page: PageRequest) -> Result<Paged<ApiKey>, TableError> {
        self.keys.list(tenant, page).await
    }

    /// Removes a key. Answers whether there was one. Other instances may accept it for half a minute more.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<bool, TableError> {
        self.keys.delete(tenant, id).await
    }
}

/// The hash of a secret, as it is stored.
fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Whether a secret is the one of which this hash is stored, found in a time that does not tell how near it is.
pub(super) fn is_secret_of(stored: &str, secret: &str) -> bool {
    let mut hash = [0; 32];
    hex::decode_to_slice(stored, &mut hash).is_ok() && Sha256::digest(secret.as_bytes()).ct_eq(&hash).into()
}

/// Whether two secrets are the same, found in a time that does not tell how long they are and how far they agree.
pub(super) fn is_same(secret: &str, other: &str) -> bool {
    Sha256::digest(secret.as_bytes()).ct_eq(&Sha256::digest(other.as_bytes())).into()
}

/// The public and the secret part of a key's text.
pub(super) fn split(text: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = text.strip_prefix("prk_")?.split_once('_')?;
    Some((KeyId::from_unprefixed(id)?, secret))
}
