//! Where the few secrets are that everything else hangs on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretBox;

/// For how long the master keys may be remembered by whoever seals with them.
pub const KEYS_KNOWN_FOR: Duration = Duration::from_secs(300);

/// A key from which others are derived.
pub type MasterKey = SecretBox<[u8; 32]>;

/// The deployment's master keys: one to seal with, and those that it replaced, to open what they sealed.
#[derive(Debug)]
pub struct MasterKeys {
    /// What is sealed from now on, is sealed with this one.
    pub current: MasterKey,
    /// What this one has replaced, as long as something may be sealed with it.
    pub older: Vec<MasterKey>,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// [`KEYS_KNOWN_FOR`], or older while nobody can be asked: enough to open something.
    Known,
    /// [`KEYS_KNOWN_FOR`] at most: needed to seal something, so that a former key comes out of use.
    Recent,
    /// It is asked for now, unless it was a moment ago.
    New,
}

/// Keeps the deployment's own secrets.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The keys from which all others are derived.
    ///
    /// # Errors
    /// When the secret cannot be read.
    async fn master_keys(&self, freshness: Freshness) -> Result<Arc<MasterKeys>, VaultError>;

    /// The key of the platform's operator, if one is set.
    ///
    /// # Errors
    /// When the secret cannot be read.
    async fn platform_key(&self) -> Result<Option<secrecy::SecretString>, VaultError>;
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name} could not be read")]
pub struct VaultError {
    /// Which secret.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
