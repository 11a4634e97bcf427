//! Secrets are asked for seldom, and a failure of Secrets Manager is not one of everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use postrider_application::ports::{Clock, Vault as _};
use postrider_domain::Timestamp;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::deployment::{MASTER, PLATFORM};
use crate::faults::Faulty;
use crate::proxy::{Fault, Plan};

/// A clock that stands until it is moved.
#[derive(Default)]
struct StandingClock(AtomicU64);

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_secret_is_asked_for_once_in_five_minutes() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let clock = Arc::new(StandingClock::default());
    let vault = faulty.deployment.vault(&faulty.clients, clock.clone());
    let keys = join_all((0..10).map(|_| vault.master_key())).await;
    let expected: [u8; 32] = Sha256::digest(MASTER.as_bytes()).into();
    assert!(keys.into_iter().all(|key| *key.unwrap().expose_secret() == expected));
    assert_eq!(faulty.proxy.count("GetSecretValue"), 1);
    clock.0.fetch_add(299_999, Ordering::SeqCst);
    vault.master_key().await.unwrap();
    assert_eq!(faulty.proxy.count("GetSecretValue"), 1);
    clock.0.fetch_add(1, Ordering::SeqCst);
    vault.master_key().await.unwrap();
    assert_eq!(faulty.proxy.count("GetSecretValue"), 2);
}

#[tokio::test]
async fn a_value_that_cannot_be_renewed_goes_on_serving() {
    let faulty = Faulty::start(Plan::Always(Fault::Fail(500))).await;
    let clock = Arc::new(StandingClock::default());
    let vault = faulty.deployment.vault(&faulty.clients, clock.clone());
    assert!(vault.platform_key().await.is_err(), "none is known");
    faulty.proxy.set(Plan::script(&[]));
    assert_eq!(vault.platform_key().await.unwrap().unwrap().expose_secret(), PLATFORM);
    faulty.proxy.set(Plan::Always(Fault::Throttle));
    clock.0.fetch_add(300_000, Ordering::SeqCst);
    let before = faulty.proxy.count("GetSecretValue");
    for _ in 0..5 {
        assert_eq!(vault.platform_key().await.unwrap().unwrap().expose_secret(), PLATFORM);
    }
    assert_eq!(faulty.proxy.count("GetSecretValue") - before, 3, "one operation of three attempts");
    clock.0.fetch_add(30_000, Ordering::SeqCst);
    vault.platform_key().await.unwrap();
    assert_eq!(faulty.proxy.count("GetSecretValue") - before, 6, "and another one half a minute later");
}

#[tokio::test]
async fn a_secret_that_is_too_short_is_named() {
    let mut faulty = Faulty::start(Plan::script(&[])).await;
    let (master, platform) = (faulty.deployment.secrets.master.clone().unwrap(), "short".to_owned());
    let secrets = &faulty.deployment.direct.secrets;
    for (name, text) in [(&master, "x".repeat(42)), (&platform, "x".repeat(31))] {
        let put = secrets.put_secret_value().secret_id(name).secret_string(&text).send().await;
        if put.is_err() {
            secrets.create_secret().name(name).secret_string(text).send().await.unwrap();
        }
    }
    faulty.deployment.secrets.platform = Some(platform.clone());
    let vault = faulty.deployment.vault(&faulty.clients, Arc::new(StandingClock::default()));
    let error = vault.master_key().await.err().unwrap();
    assert!(error.source.to_string().contains(&master), "{error}: {}", error.source);
    let error = vault.platform_key().await.unwrap_err();
    assert!(error.source.to_string().contains(&platform), "{error}: {}", error.source);
    faulty.deployment.secrets.master = Some("missing".to_owned());
    let vault = faulty.deployment.vault(&faulty.clients, Arc::new(StandingClock::default()));
    assert_eq!(vault.master_key().await.err().unwrap().name, "master key");
    faulty.deployment.secrets.master = None;
    let vault = faulty.deployment.vault(&faulty.clients, Arc::new(StandingClock::default()));
    assert!(vault.master_key().await.err().unwrap().source.to_string().contains("was not given"));
}
