//! What is tested: the deployment that the environment names, or one server that all tests of a process share.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::harness::say;
use crate::random::fresh;
use crate::server::{Server, tail};
use crate::settings::settings;
use crate::{Client, Tenant};

static TARGET: OnceLock<Target> = OnceLock::new();

/// A running Postrider.
pub struct Target {
    url: String,
    platform_key: String,
    own: Mutex<Option<Own>>,
}

/// What belongs to a server of the tests' own.
struct Own {
    server: Server,
    folder: TempDir,
    log: PathBuf,
}

impl Target {
    /// The target of this process; the first caller starts it.
    pub fn shared() -> &'static Self {
        TARGET.get_or_init(|| match (&settings().url, &settings().platform_key) {
            (Some(url), Some(key)) => {
                Self { url: url.clone(), platform_key: key.clone(), own: Mutex::new(None) }
            }
            _ => Self::start(),
        })
    }

    fn start() -> Self {
        let folder = TempDir::with_prefix("postrider-tests-").unwrap();
        let log = folder.path().join("server.log");
        let platform_key = format!("platform-key-of-the-tests-{:016x}", fresh());
        let server = Server::start(&folder.path().join("data"), &platform_key, &log);
        let url = server.url().to_owned();
        Self { url, platform_key, own: Mutex::new(Some(Own { server, folder, log })) }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The operator's client.
    pub fn platform(&self) -> Client {
        Client::new(&self.url, Some(&self.platform_key))
    }

    /// A tenant that only the caller uses, named after what it is for.
    pub async fn tenant(&self, purpose: &str) -> Tenant {
        Tenant::create(&self.platform(), purpose).await
    }

    /// Stops a server of the tests' own, if one was started. Its folder is kept when tests failed.
    pub(crate) fn stop(tests_failed: bool) {
        let Some(own) = TARGET.get().and_then(|target| target.own.lock().ok()?.take()) else { return };
        own.server.kill();
        if tests_failed {
            let folder = own.folder.keep();
            say(&format!(
                "the server's folder: {}\nits log ends with:\n{}",
                folder.display(),
                tail(&own.log)
            ));
        }
    }
}
