//! The deployment's secrets: the master keys in a file, the platform key from the configuration.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use postrider_application::ports::{Entropy, Freshness, MasterKey, MasterKeys, Vault, VaultError};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::OpenError;

/// A vault for one process.
pub struct LocalVault {
    masters: Mutex<Arc<MasterKeys>>,
    file: Option<KeyFile>,
    platform: Option<SecretString>,
}

/// Where the master keys are: a line of 64 hexadecimal characters for each, the current one first.
struct KeyFile {
    path: PathBuf,
    /// What the file looked like when it was read.
    read: Mutex<Stamp>,
}

/// What tells a file from one that was written later: its number, length and time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl LocalVault {
    /// A vault whose master key lives as long as the process.
    pub fn in_memory(entropy: &dyn Entropy, platform: Option<SecretString>) -> Self {
        Self::with_keys(MasterKeys { current: random_key(entropy), older: Vec::new() }, platform)
    }

    /// A vault with these master keys.
    pub fn with_keys(masters: MasterKeys, platform: Option<SecretString>) -> Self {
        Self { masters: Mutex::new(Arc::new(masters)), file: None, platform }
    }

    /// A vault whose master keys are in a file that only its owner can read; it is made where it is missing, and
    /// read again when it was changed.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key.
    pub fn in_file(
        path: &Path,
        entropy: &dyn Entropy,
        platform: Option<SecretString>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        if let Err(error) = fs::metadata(path) {
            if error.kind() != ErrorKind::NotFound {
                return Err(failed(error));
            }
            create(path, &random_key(entropy)).map_err(failed)?;
        }
        let stamp = Stamp::of(path).map_err(failed)?;
        let text = fs::read_to_string(path).map_err(failed)?;
        let masters = read_keys(&text).ok_or_else(|| OpenError::MasterKey(path.to_owned()))?;
        let file = KeyFile { path: path.to_owned(), read: Mutex::new(stamp) };
        Ok(Self { masters: Mutex::new(Arc::new(masters)), file: Some(file), platform })
    }

    /// Puts other master keys in the place of those that are known.
    pub fn set_keys(&self, masters: MasterKeys) {
        *self.masters.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(masters);
    }

    /// Reads the file if it was changed. What is no key file, perhaps because somebody is writing it, changes
    /// nothing.
    fn renew(&self, file: &KeyFile) {
        let mut read = file.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match Stamp::of(&file.path) {
            Ok(stamp) if stamp == *read => return,
            Ok(stamp) => stamp,
            Err(error) => return tracing::warn!(%error, "the file of the master keys cannot be read"),
        };
        match fs::read_to_string(&file.path).ok().and_then(|text| read_keys(&text)) {
            Some(masters) => {
                self.set_keys(masters);
                *read = stamp;
            }
            None => tracing::warn!(
                "the file of the master keys was changed and holds none: the former ones serve"
            ),
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    }
}

/// Written elsewhere first, so that a crash never leaves half a key.
fn create(path: &Path, key: &MasterKey) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(hex::encode(key.expose_secret()).as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn read_keys(text: &str) -> Option<MasterKeys> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Option<Vec<_>> = lines.map(read_key).collect();
    let mut keys = keys?.into_iter();
    Some(MasterKeys { current: keys.next()?, older: keys.collect() })
}

fn read_key(line: &str) -> Option<MasterKey> {
    let mut key = [0; 32];
    hex::decode_to_slice(line, &mut key).ok()?;
    Some(MasterKey::new(Box::new(key)))
}

fn random_key(entropy: &dyn Entropy) -> MasterKey {
    SecretBox::init_with_mut(|key: &mut [u8; 32]| entropy.fill(key))
}

#[async_trait]
impl Vault for LocalVault {
    async fn master_keys(&self, _: Freshness) -> Result<Arc<MasterKeys>, VaultError> {
        if let Some(file) = &self.file {
            self.renew(file);
        }
        Ok(Arc::clone(&self.masters.lock().unwrap_or_else(PoisonError::into_inner)))
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
            *vault.master_keys(Freshness::Known).await.unwrap().current.expose_secret()
        };
        assert_eq!(read().await, read().await);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "not a key").unwrap();
        let result = LocalVault::in_file(&path, &SystemEntropy, None);
        assert!(matches!(result, Err(OpenError::MasterKey(_))));
    }

    #[tokio::test]
    async fn another_master_key_is_noticed_without_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let vault = LocalVault::in_file(&path, &SystemEntropy, None).unwrap();
        let keys = async |vault: &LocalVault| {
            let keys = vault.master_keys(Freshness::Known).await.unwrap();
            let text = |key: &MasterKey| hex::encode(key.expose_secret());
            (text(&keys.current), keys.older.iter().map(text).collect::<Vec<_>>())
        };
        let (first, none) = keys(&vault).await;
        assert!(none.is_empty());
        let second = "ab".repeat(32);
        fs::write(&path, format!("{second}\n{first}\n")).unwrap();
        let both = (second.clone(), vec![first]);
        assert_eq!(keys(&vault).await, both);
        assert_eq!(keys(&LocalVault::in_file(&path, &SystemEntropy, None).unwrap()).await, both);
        // Half of a line is no key, and no reason to stop.
        fs::write(&path, &second[..40]).unwrap();
        assert_eq!(keys(&vault).await, both);
        fs::remove_file(&path).unwrap();
        assert_eq!(keys(&vault).await, both);
        fs::write(&path, &second).unwrap();
        assert_eq!(keys(&vault).await, (second, vec![]));
    }
}
