//! The deployment's secrets: the master key in a file, the platform key from the configuration.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use async_trait::async_trait;
use postrider_application::ports::{Entropy, Vault, VaultError};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::OpenError;

/// A vault for one process.
pub struct LocalVault {
    master: SecretBox<[u8; 32]>,
    platform: Option<SecretString>,
}

impl LocalVault {
    /// A vault whose master key lives as long as the process.
    pub fn in_memory(entropy: &dyn Entropy, platform: Option<SecretString>) -> Self {
        Self { master: random_key(entropy), platform }
    }

    /// A vault whose master key is in a file that only its owner can read; it is made where it is missing.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key.
    pub fn in_file(
        path: &Path,
        entropy: &dyn Entropy,
        platform: Option<SecretString>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mut master = [0; 32];
                hex::decode_to_slice(text.trim(), &mut master)
                    .map_err(|_| OpenError::MasterKey(path.to_owned()))?;
                Ok(Self { master: SecretBox::new(Box::new(master)), platform })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let master = random_key(entropy);
                // Written elsewhere first, so that a crash never leaves half a key.
                let unfinished = path.with_extension("new");
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&unfinished)
                    .map_err(failed)?;
                file.write_all(hex::encode(master.expose_secret()).as_bytes()).map_err(failed)?;
                file.sync_all().map_err(failed)?;
                fs::rename(&unfinished, path).map_err(failed)?;
                Ok(Self { master, platform })
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn random_key(entropy: &dyn Entropy) -> SecretBox<[u8; 32]> {
    SecretBox::init_with_mut(|key: &mut [u8; 32]| entropy.fill(key))
}

#[async_trait]
impl Vault for LocalVault {
    async fn master_key(&self) -> Result<SecretBox<[u8; 32]>, VaultError> {
        Ok(SecretBox::new(Box::new(*self.master.expose_secret())))
    }

    async fn platform_key(&self) -> Result<Option<SecretString>, VaultError> {
        Ok(self.platform.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use postrider_application::system::SystemEntropy;
    use postrider_testkit::contracts::vault::vault_contract;

    use super::*;

    #[tokio::test]
    async fn the_contract_is_kept_in_memory_and_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        for key in [None, Some("a-platform-key")] {
            let set = || key.map(SecretString::from);
            vault_contract(&LocalVault::in_memory(&SystemEntropy, set()), key).await;
            vault_contract(&LocalVault::in_file(&path, &SystemEntropy, set()).unwrap(), key).await;
        }
    }

    #[tokio::test]
    async fn the_master_key_stays_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let read = async || {
            let vault = LocalVault::in_file(&path, &SystemEntropy, None).unwrap();
            *vault.master_key().await.unwrap().expose_secret()
        };
        assert_eq!(read().await, read().await);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "not a key").unwrap();
        let result = LocalVault::in_file(&path, &SystemEntropy, None);
        assert!(matches!(result, Err(OpenError::MasterKey(_))));
    }
}
