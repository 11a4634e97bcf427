//! Where the few secrets are that everything else hangs on.

use async_trait::async_trait;
use secrecy::SecretBox;

/// Keeps the deployment's own secrets.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The key from which all others are derived.
    ///
    /// # Errors
    /// When the secret cannot be read.
    async fn master_key(&self) -> Result<SecretBox<[u8; 32]>, VaultError>;

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
