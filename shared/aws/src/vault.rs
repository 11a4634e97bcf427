//! The Vault port on Secrets Manager.
//!
//! A secret is asked for once in five minutes: Secrets Manager charges by the request, and a new value may take
//! as long to arrive. While Secrets Manager cannot be asked, the value that is known goes on serving.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use postrider_application::ports::{Clock, Vault, VaultError};
use postrider_domain::Timestamp;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

/// How long a value is trusted.
const TRUSTED: Duration = Duration::from_secs(300);

/// How long a value that could not be renewed goes on serving before it is asked for again.
const POSTPONED: Duration = Duration::from_secs(30);

/// 43 characters of `[A-Za-z0-9]` carry 256 bits. Secrets Manager generates such texts
/// (`GenerateSecretString` with `PasswordLength` 64 and `ExcludePunctuation`).
const MASTER_CHARACTERS: usize = 43;

/// Shorter platform keys could be guessed.
const PLATFORM_CHARACTERS: usize = 32;

/// The names, or ARNs, of the deployment's secrets. A function names those that it may read.
#[derive(Debug, Clone, Default)]
pub struct SecretNames {
    /// The master key's: a random text of at least 43 characters, of which the SHA-256 digest is the key.
    pub master: Option<String>,
    /// The platform key's: a text of at least 32 characters, which is the key. `None` where nobody may act as
    /// the platform.
    pub platform: Option<String>,
}

/// Secrets of Secrets Manager.
pub struct SecretsManagerVault {
    client: Client,
    clock: Arc<dyn Clock>,
    master: Option<Secret>,
    platform: Option<Secret>,
}

struct Secret {
    /// What it is, for messages.
    role: &'static str,
    name: String,
    least: usize,
    /// The value, and until when it is trusted. Locked while it is asked for, so that others wait for the same
    /// answer.
    known: Mutex<Option<(SecretString, Timestamp)>>,
}

/// The secret is there, but of no use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("this function was not given the secret's name")]
    NotNamed,
    #[error("the secret {0} has no text")]
    NoText(String),
    #[error("the secret {name} has {length} characters; at least {least} are needed")]
    TooShort { name: String, length: usize, least: usize },
}

impl Secret {
    fn new(role: &'static str, name: String, least: usize) -> Self {
        Self { role, name, least, known: Mutex::default() }
    }

    /// The value, asked for when none is known that is trusted.
    async fn value(&self, client: &Client, clock: &dyn Clock) -> Result<SecretString, VaultError> {
        let mut known = self.known.lock().await;
        let now = clock.now();
        if let Some((value, until)) = &*known
            && now < *until
        {
            return Ok(value.clone());
        }
        match self.ask(client).await {
            Ok(value) => {
                *known = Some((value.clone(), now.after(TRUSTED)));
                Ok(value)
            }
            Err(source) => {
                let Some((value, until)) = &mut *known else {
                    return Err(VaultError { name: self.role, source });
                };
                tracing::warn!(
                    secret = self.name,
                    error = with_causes(&*source),
                    "a secret could not be renewed"
                );
                *until = now.after(POSTPONED);
                Ok(value.clone())
            }
        }
    }

    async fn ask(&self, client: &Client) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
        let answer = client.get_secret_value().secret_id(&self.name).send().await?;
        let Some(text) = answer.secret_string else {
            return Err(Unusable::NoText(self.name.clone()).into());
        };
        let text = SecretString::from(text);
        let length = text.expose_secret().chars().count();
        if length < self.least {
            return Err(Unusable::TooShort { name: self.name.clone(), length, least: self.least }.into());
        }
        Ok(text)
    }
}

/// An error and what caused it; the SDK's own text says no more than that the service failed.
fn with_causes(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

impl SecretsManagerVault {
    /// A vault with these secrets, which are asked for when they are needed first.
    pub fn new(client: Client, names: SecretNames, clock: Arc<dyn Clock>) -> Self {
        let SecretNames { master, platform } = names;
        Self {
            client,
            clock,
            master: master.map(|name| Secret::new("master key", name, MASTER_CHARACTERS)),
            platform: platform.map(|name| Secret::new("platform key", name, PLATFORM_CHARACTERS)),
        }
    }
}

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn master_key(&self) -> Result<SecretBox<[u8; 32]>, VaultError> {
        let not_named = || VaultError { name: "master key", source: Unusable::NotNamed.into() };
        let secret = self.master.as_ref().ok_or_else(not_named)?;
        let text = secret.value(&self.client, &*self.clock).await?;
        Ok(SecretBox::init_with_mut(|key: &mut [u8; 32]| {
            key.copy_from_slice(&Sha256::digest(text.expose_secret().as_bytes()));
        }))
    }

    async fn platform_key(&self) -> Result<Option<SecretString>, VaultError> {
        match &self.platform {
            Some(secret) => secret.value(&self.client, &*self.clock).await.map(Some),
            None => Ok(None),
        }
    }
}
