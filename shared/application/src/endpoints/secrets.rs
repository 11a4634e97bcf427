//! What an endpoint keeps secret: its channel's configuration in full, and its signing secrets.

use std::sync::Arc;

use postrider_domain::signature::{SecretError, SigningSecret};
use postrider_domain::{EndpointId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ports::{Entropy, Vault, VaultError};
use crate::sealing::{OpenError, Sealer};
use crate::stores::endpoint_item::EndpointRecord;

/// An endpoint's secrets cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The master key cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The seal does not open.
    #[error(transparent)]
    Seal(#[from] OpenError),
    /// What is inside is not in the form that is written here.
    #[error("the sealed secrets are not in a known form")]
    Form,
    /// A signing secret is not one.
    #[error(transparent)]
    Signing(#[from] SecretError),
}

#[derive(Serialize, Deserialize)]
struct SealedForm {
    config: Value,
    signing: Vec<String>,
}

/// An endpoint's secrets, open. Neither printed nor serialised.
pub struct OpenSecrets {
    /// The channel's configuration in full.
    pub config: Value,
    /// The signing secrets, the present one first.
    pub signing: Vec<SigningSecret>,
}

/// Seals and opens the secrets of endpoints.
#[derive(Clone)]
pub struct Secrets {
    vault: Arc<dyn Vault>,
    entropy: Arc<dyn Entropy>,
}

impl Secrets {
    /// Secrets under the master key of this vault. It is asked each time, so that a key that is changed there
    /// is noticed here.
    pub fn new(vault: Arc<dyn Vault>, entropy: Arc<dyn Entropy>) -> Self {
        Self { vault, entropy }
    }

    /// Seals an endpoint's secrets.
    ///
    /// # Errors
    /// When the master key cannot be read.
    pub async fn seal(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        secrets: &OpenSecrets,
    ) -> Result<Vec<u8>, SecretsError> {
        let signing = secrets.signing.iter().map(SigningSecret::reveal).collect();
        let form = SealedForm { config: secrets.config.clone(), signing };
        // A JSON value is always written.
        let text = serde_json::to_vec(&form).unwrap_or_default();
        let sealer = self.sealer().await?;
        Ok(sealer.seal(tenant, endpoint, &text, &*self.entropy))
    }

    /// Opens an endpoint's secrets.
    ///
    /// # Errors
    /// When they were sealed otherwise, or the master key cannot be read.
    pub async fn open(&self, record: &EndpointRecord) -> Result<OpenSecrets, SecretsError> {
        let endpoint = &record.endpoint;
        let text = self.sealer().await?.open(&endpoint.tenant, endpoint.id, &record.sealed)?;
        let form: SealedForm = serde_json::from_slice(&text).map_err(|_| SecretsError::Form)?;
        let signing: Result<_, _> = form.signing.iter().map(|secret| secret.parse()).collect();
        Ok(OpenSecrets { config: form.config, signing: signing? })
    }

    async fn sealer(&self) -> Result<Sealer, VaultError> {
        Ok(Sealer::new(&self.vault.master_key().await?))
    }
}
