//! What the environment says about a run of the tests, read once.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

/// The settings of this run.
#[derive(Debug)]
pub struct Settings {
    /// `POSTRIDER_URL`: the deployment to test, such as `http://127.0.0.1:8080`. Unset, the tests start a
    /// server of their own.
    pub url: Option<String>,
    /// `POSTRIDER_PLATFORM_KEY`: the platform key of that deployment.
    pub platform_key: Option<String>,
    /// Where else events can be put in on an emulator; `None` elsewhere.
    pub emulator: Option<Emulator>,
    /// `POSTRIDER_BIN`: the program to start. Unset, it is `postrider` beside the tests in the target folder.
    pub program: Option<PathBuf>,
    /// `POSTRIDER_TEST_SLOW`, default 1: every deadline is multiplied by it.
    pub slow: f64,
    /// `POSTRIDER_TEST_SCALE`, default 1: numbers of events are multiplied by it.
    pub scale: f64,
    /// `POSTRIDER_TEST_SEED`: what random choices follow from. Unset, every run has another one.
    pub seed: Option<u64>,
}

/// An emulator of AWS that runs the deployment.
#[derive(Debug)]
pub struct Emulator {
    /// `POSTRIDER_EMULATOR_URL`: its base URL.
    pub url: String,
    /// `POSTRIDER_BUS`: the event bus.
    pub bus: String,
    /// `POSTRIDER_INBOX_QUEUE_URL`: the inbox queue.
    pub inbox: String,
}

/// The settings of this run.
pub fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let url = variable("POSTRIDER_URL").map(|url: String| url.trim_end_matches('/').to_owned());
        let platform_key = variable("POSTRIDER_PLATFORM_KEY");
        assert!(url.is_none() || platform_key.is_some(), "POSTRIDER_URL needs POSTRIDER_PLATFORM_KEY");
        let emulator = variable("POSTRIDER_EMULATOR_URL").map(|url| Emulator {
            url,
            bus: variable("POSTRIDER_BUS").expect("POSTRIDER_EMULATOR_URL needs POSTRIDER_BUS"),
            inbox: variable("POSTRIDER_INBOX_QUEUE_URL")
                .expect("POSTRIDER_EMULATOR_URL needs POSTRIDER_INBOX_QUEUE_URL"),
        });
        Settings {
            url,
            emulator,
            platform_key,
            program: variable("POSTRIDER_BIN"),
            slow: variable("POSTRIDER_TEST_SLOW").unwrap_or(1.0),
            scale: variable("POSTRIDER_TEST_SCALE").unwrap_or(1.0),
            seed: variable("POSTRIDER_TEST_SEED"),
        }
    })
}

/// A number of events, scaled; at least one.
pub fn scaled(count: usize) -> usize {
    ((count as f64 * settings().scale) as usize).max(1)
}

#[expect(clippy::disallowed_methods, reason = "this is where the tests' configuration is read")]
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} cannot be read: {text:?}")))
}
