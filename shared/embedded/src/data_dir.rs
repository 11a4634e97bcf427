//! The folder that holds everything, used by one process at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::OpenError;

/// A folder that this process alone uses until it ends.
pub struct DataDir {
    path: PathBuf,
    /// Held for its lock, which the system releases however the process ends.
    _lock: File,
}

impl DataDir {
    /// Opens the folder, making it where it is missing.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path, source| OpenError::File { path: path.to_owned(), source };
        // Payloads and attempts are nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| failed(path, source))?;
        let file = path.join("lock");
        let lock = File::create(&file).map_err(|source| failed(&file, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(&file, source)),
        }
    }

    /// A file or folder inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(OpenError::InUse(_))));
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }
}
