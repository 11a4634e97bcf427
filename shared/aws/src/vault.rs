//! The Vault port on Secrets Manager.
//!
//! A secret is asked for once in five minutes: Secrets Manager charges by the request, and a new value may take
//! as long to arrive. While Secrets Manager cannot be asked, the value that is known goes on serving, except to
//! seal something new: for that, it must not be older than those five minutes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use postrider_application::ports::vault::KEYS_KNOWN_FOR;
use postrider_application::ports::{Clock, Freshness, MasterKey, MasterKeys, Vault, VaultError};
use postrider_domain::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

/// How long a value is trusted.
const TRUSTED: Duration = KEYS_KNOWN_FOR;

/// How long a value that could not be renewed goes on serving before it is asked for again.
const POSTPONED: Duration = Duration::from_secs(30);

/// A value that is as old as this is new: whoever wants a newer one would be asking without an end.
const NEW: Duration = Duration::from_secs(1);

/// 43 characters of `[A-Za-z0-9]` carry 256 bits. Secrets Manager generates such texts
/// (`GenerateSecretString` with `PasswordLength` 64 and `ExcludePunctuation`).
const MASTER_CHARACTERS: usize = 43;

/// Shorter platform keys could be guessed.
const PLATFORM_CHARACTERS: usize = 32;

/// The names, or ARNs, of the deployment's secrets. A function names those that it may read.
#[derive(Debug, Clone, Default)]
pub struct SecretNames {
    /// The master keys': a random text of at least 43 characters, of which the SHA-256 digest is the key, or
    /// `{"current": "<such a text>", "older": ["<such a text>", ...]}`.
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
    /// Whether a value is of use.
    check: fn(&SecretString, &str) -> Result<(), Unusable>,
    /// Locked while it is asked for, so that others wait for the same answer.
    known: Mutex<Option<Known>>,
}

/// A value.
struct Known {
    value: SecretString,
    /// When it was asked for.
    since: Timestamp,
    /// When it is to be asked for again.
    until: Timestamp,
}

/// The secret is there, but of no use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("this function was not given the secret's name")]
    NotNamed,
    #[error("the secret {0} has no text")]
    NoText(String),
    #[error("the secret {0} is neither a text nor {{\"current\": \"<text>\", \"older\": [\"<text>\", ...]}}")]
    NotMasterKeys(String),
    #[error("the secret {name} has {length} characters; at least {least} are needed")]
    TooShort { name: String, length: usize, least: usize },
}

impl Secret {
    fn new(role: &'static str, name: String, check: fn(&SecretString, &str) -> Result<(), Unusable>) -> Self {
        Self { role, name, check, known: Mutex::default() }
    }

    /// The value, asked for when none is known that is fresh enough.
    async fn value(
        &self,
        client: &Client,
        clock: &dyn Clock,
        freshness: Freshness,
    ) -> Result<SecretString, VaultError> {
        let mut known = self.known.lock().await;
        let now = clock.now();
        let is_fresh = |known: &Known| match freshness {
            Freshness::Known => now < known.until,
            Freshness::Recent => now.since(known.since) < TRUSTED,
            Freshness::New => now.since(known.since) < NEW,
        };
        if let Some(known) = known.as_ref().filter(|known| is_fresh(known)) {
            return Ok(known.value.clone());
        }
        match self.ask(client).await {
            Ok(value) => {
                *known = Some(Known { value: value.clone(), since: now, until: now.after(TRUSTED) });
                Ok(value)
            }
            Err(source) => {
                let known = known.as_mut().filter(|_| freshness == Freshness::Known);
                let Some(known) = known else { return Err(VaultError { name: self.role, source }) };
                tracing::warn!(
                    secret = self.name,
                    error = with_causes(&*source),
                    "a secret could not be renewed"
                );
                known.until = now.after(POSTPONED);
                Ok(known.value.clone())
            }
        }
    }

    async fn ask(&self, client: &Client) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
        let answer = client.get_secret_value().secret_id(&self.name).send().await?;
        let Some(text) = answer.secret_string else {
            return Err(Unusable::NoText(self.name.clone()).into());
        };
        let text = SecretString::from(text);
        (self.check)(&text, &self.name)?;
        Ok(text)
    }
}

fn check_platform(text: &SecretString, name: &str) -> Result<(), Unusable> {
    check_length(text.expose_secret(), name, PLATFORM_CHARACTERS)
}

fn check_master(text: &SecretString, name: &str) -> Result<(), Unusable> {
    let texts = MasterTexts::read(text.expose_secret(), name)?;
    let mut texts = [&texts.current].into_iter().chain(&texts.older);
    texts.try_for_each(|text| check_length(text.expose_secret(), name, MASTER_CHARACTERS))
}

fn check_length(text: &str, name: &str, least: usize) -> Result<(), Unusable> {
    let length = text.chars().count();
    let is_enough = length >= least;
    is_enough.then_some(()).ok_or_else(|| Unusable::TooShort { name: name.to_owned(), length, least })
}

/// The texts of which the master keys are made.
struct MasterTexts {
    current: SecretString,
    older: Vec<SecretString>,
}

impl MasterTexts {
    /// Reads what the secret holds: JSON, or the one text. The reader's error is dropped, because it could
    /// repeat a part of the secret.
    fn read(secret: &str, name: &str) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            current: String,
            #[serde(default)]
            older: Vec<String>,
        }
        if !secret.trim_start().starts_with('{') {
            return Ok(Self { current: secret.into(), older: Vec::new() });
        }
        let form: Form =
            serde_json::from_str(secret).map_err(|_| Unusable::NotMasterKeys(name.to_owned()))?;
        Ok(Self { current: form.current.into(), older: form.older.into_iter().map(Into::into).collect() })
    }
}

fn key_of(text: &SecretString) -> MasterKey {
    MasterKey::init_with_mut(|key: &mut [u8; 32]| {
        key.copy_from_slice(&Sha256::digest(text.expose_secret().as_bytes()));
    })
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
            master: master.map(|name| Secret::new("master key", name, check_master)),
            platform: platform.map(|name| Secret::new("platform key", name, check_platform)),
        }
    }
}

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn master_keys(&self, freshness: Freshness) -> Result<Arc<MasterKeys>, VaultError> {
        let not_named = || VaultError { name: "master key", source: Unusable::NotNamed.into() };
        let secret = self.master.as_ref().ok_or_else(not_named)?;
        let text = secret.value(&self.client, &*self.clock, freshness).await?;
        let texts = MasterTexts::read(text.expose_secret(), &secret.name)
            .map_err(|error| VaultError { name: "master key", source: error.into() })?;
        let older = texts.older.iter().map(key_of).collect();
        Ok(Arc::new(MasterKeys { current: key_of(&texts.current), older }))
    }

    async fn platform_key(&self) -> Result<Option<SecretString>, VaultError> {
        match &self.platform {
            Some(secret) => secret.value(&self.client, &*self.clock, Freshness::Known).await.map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secret: &str) -> Result<(String, Vec<String>), Unusable> {
        check_master(&secret.into(), "the-name")?;
        let texts = MasterTexts::read(secret, "the-name")?;
        let show = |text: &SecretString| text.expose_secret().to_owned();
        Ok((show(&texts.current), texts.older.iter().map(show).collect()))
    }

    #[test]
    fn a_plain_text_is_the_one_key_and_json_names_several() {
        let [one, two] = ["1".repeat(43), "2".repeat(64)];
        assert_eq!(read(&one).unwrap(), (one.clone(), vec![]));
        let both = format!(r#" {{"current": "{two}", "older": ["{one}"]}} "#);
        assert_eq!(read(&both).unwrap(), (two.clone(), vec![one]));
        assert_eq!(read(&format!(r#"{{"current": "{two}"}}"#)).unwrap(), (two, vec![]));
    }

    /// The JSON reader's messages repeat values.
    #[test]
    fn what_is_wrong_is_said_without_a_part_of_the_secret() {
        let hidden = "hidden".repeat(10);
        for wrong in [
            format!(r#"{{"current": "{hidden}", "former": ["{hidden}"]}}"#),
            format!(r#"{{"current": "{hidden}", "older": "{hidden}"}}"#),
            format!(r#"{{"older": ["{hidden}"]}}"#),
            format!(r#"{{"current": "{hidden}", "older": ["hidden"]}}"#),
            format!("{{{hidden}"),
        ] {
            let error = read(&wrong).unwrap_err();
            let (message, debug) = (error.to_string(), format!("{error:?}"));
            assert!(message.contains("the-name"), "{message}");
            assert!(!message.contains("hidden") && !debug.contains("hidden"), "{message}");
        }
    }
}
