//! A data folder, and servers that run on it one after the other.

use std::path::PathBuf;

use postrider_tests::random::fresh;
use postrider_tests::server::tail;
use postrider_tests::{Client, Server, harness};
use tempfile::TempDir;

/// A data folder that outlives the servers on it.
pub(crate) struct Laboratory {
    folder: TempDir,
    platform_key: String,
}

impl Laboratory {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("postrider-crashes-").unwrap();
        Self { folder, platform_key: format!("platform-key-of-the-tests-{:016x}", fresh()) }
    }

    /// Starts a server on the folder. Its port is another one every time.
    pub(crate) fn start(&self) -> Server {
        Server::start(&self.folder.path().join("data"), &self.platform_key, &self.log())
    }

    /// The operator's client of a server.
    pub(crate) fn platform(&self, server: &Server) -> Client {
        Client::new(server.url(), Some(&self.platform_key))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            harness::say(&format!("the log of the servers ends with:\n{}", tail(&self.log())));
        }
    }
}
