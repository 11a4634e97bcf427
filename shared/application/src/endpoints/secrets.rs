//! What an endpoint keeps secret: its channel's configuration in full, and its signing keys.

use std::sync::Arc;

use postrider_domain::signature::{KeyError, KeyRing, RingKey};
use postrider_domain::{Endpoint, EndpointId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ports::{Entropy, Freshness, Vault, VaultError};
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
    /// A signing key is not one.
    #[error(transparent)]
    Signing(#[from] KeyError),
}

#[derive(Serialize, Deserialize)]
struct SealedForm {
    config: Value,
    /// The newest first.
    signing: Vec<KeyForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeyForm {
    /// What was written before keys could be replaced: a secret as old as its endpoint.
    Alone(String),
    Dated {
        key: String,
        created_at: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
    },
}

impl KeyForm {
    fn write(key: &RingKey) -> Self {
        Self::Dated {
            key: key.key.reveal(),
            created_at: key.created_at.as_millis(),
            expires_at: key.expires_at.map(Timestamp::as_millis),
        }
    }

    fn read(self, endpoint_created_at: Timestamp) -> Result<RingKey, KeyError> {
        let (key, created_at, expires_at) = match self {
            Self::Alone(key) => (key, endpoint_created_at, None),
            Self::Dated { key, created_at, expires_at } => {
                (key, Timestamp::from_millis(created_at), expires_at.map(Timestamp::from_millis))
            }
        };
        Ok(RingKey { key: key.parse()?, created_at, expires_at })
    }
}

/// An endpoint's secrets, open. Neither printed nor serialised.
pub struct OpenSecrets {
    /// The channel's configuration in full.
    pub config: Value,
    /// The signing keys.
    pub signing: KeyRing,
}

/// Seals and opens the secrets of endpoints.
#[derive(Clone)]
pub struct Secrets {
    vault: Arc<dyn Vault>,
    entropy: Arc<dyn Entropy>,
}

impl Secrets {
    /// Secrets under the master keys of this vault. It is asked each time, so that a key that is changed there
    /// is noticed here.
    pub fn new(vault: Arc<dyn Vault>, entropy: Arc<dyn Entropy>) -> Self {
        Self { vault, entropy }
    }

    /// Seals an endpoint's secrets.
    ///
    /// # Errors
    /// When the master keys cannot be read.
    pub async fn seal(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        secrets: &OpenSecrets,
    ) -> Result<Vec<u8>, SecretsError> {
        let signing = secrets.signing.keys().iter().map(KeyForm::write).collect();
        let form = SealedForm { config: secrets.config.clone(), signing };
        // A JSON value is always written.
        let text = serde_json::to_vec(&form).unwrap_or_default();
        let sealer = self.sealer(Freshness::Recent).await?;
        Ok(sealer.seal(tenant, endpoint, &text, &*self.entropy))
    }

    /// Opens an endpoint's secrets. A seal of a key that is not known may be one that somebody made with a key
    /// that was just set, so that the vault is asked once more.
    ///
    /// # Errors
    /// When they were sealed otherwise, or the master keys cannot be read.
    pub async fn open(&self, record: &EndpointRecord) -> Result<OpenSecrets, SecretsError> {
        let Endpoint { tenant, id, created_at, .. } = &record.endpoint;
        let known = self.sealer(Freshness::Known).await?.open(tenant, *id, &record.sealed);
        let text = match known {
            Err(OpenError::OtherKey) => {
                self.sealer(Freshness::New).await?.open(tenant, *id, &record.sealed)?
            }
            known => known?,
        };
        let form: SealedForm = serde_json::from_slice(&text).map_err(|_| SecretsError::Form)?;
        let signing: Result<_, _> = form.signing.into_iter().map(|key| key.read(*created_at)).collect();
        Ok(OpenSecrets { config: form.config, signing: KeyRing::new(signing?) })
    }

    /// The same secrets under the sealer's current key.
    ///
    /// # Errors
    /// When the sealer has no key that opens them.
    pub(crate) fn reseal(&self, record: &EndpointRecord, sealer: &Sealer) -> Result<Vec<u8>, OpenError> {
        let Endpoint { tenant, id, .. } = &record.endpoint;
        let text = sealer.open(tenant, *id, &record.sealed)?;
        Ok(sealer.seal(tenant, *id, &text, &*self.entropy))
    }

    /// What seals and opens.
    ///
    /// # Errors
    /// When the master keys cannot be read.
    pub(crate) async fn sealer(&self, freshness: Freshness) -> Result<Sealer, VaultError> {
        Ok(Sealer::new(&*self.vault.master_keys(freshness).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_keys_could_be_replaced_is_read() {
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let text = format!(r#"{{"config":{{}},"signing":["{secret}"]}}"#);
        let form: SealedForm = serde_json::from_str(&text).unwrap();
        let created_at = Timestamp::from_millis(5);
        let key = form.signing.into_iter().next().unwrap().read(created_at).unwrap();
        assert_eq!((key.key.reveal().as_str(), key.created_at, key.expires_at), (secret, created_at, None));
        let again: KeyForm =
            serde_json::from_str(&serde_json::to_string(&KeyForm::write(&key)).unwrap()).unwrap();
        assert!(matches!(again, KeyForm::Dated { created_at: 5, expires_at: None, .. }));
    }

    #[test]
    fn a_form_that_cannot_be_read_does_not_repeat_itself() {
        let error = serde_json::from_str::<SealedForm>(r#"{"config":{},"signing":["hidden"]}"#)
            .map_err(|_| SecretsError::Form)
            .and_then(|form| {
                let keys: Result<Vec<_>, _> =
                    form.signing.into_iter().map(|key| key.read(Timestamp::default())).collect();
                Ok(keys?)
            });
        let error = error.err().unwrap();
        assert!(
            !error.to_string().contains("hidden") && !format!("{error:?}").contains("hidden"),
            "{error:?}"
        );
    }
}
