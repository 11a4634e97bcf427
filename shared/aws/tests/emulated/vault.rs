//! Secrets are asked for seldom, and a failure of Secrets Manager is not one of everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use postrider_application::ports::{Clock, Freshness, Vault as _};
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

fn key(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[tokio::test]
async fn a_secret_is_asked_for_once_in_five_minutes() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let clock = Arc::new(StandingClock::default());
    let vault = faulty.deployment.vault(&faulty.clients, clock.clone());
    let keys = join_all((0..10).map(|_| vault.master_keys(Freshness::Known))).await;
    assert!(keys.into_iter().all(|keys| *keys.unwrap().current.expose_secret() == key(MASTER)));
    assert_eq!(faulty.proxy.count("GetSecretValue"), 1);
    clock.0.fetch_add(299_999, Ordering::SeqCst);
    vault.master_keys(Freshness::Recent).await.unwrap();
    assert_eq!(faulty.proxy.count("GetSecretValue"), 1);
    clock.0.fetch_add(1, Ordering::SeqCst);
    vault.master_keys(Freshness::Recent).await.unwrap();
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
    let error = vault.master_keys(Freshness::Known).await.err().unwrap();
    assert!(error.source.to_string().contains(&master), "{error}: {}", error.source);
    let error = vault.platform_key().await.unwrap_err();
    assert!(error.source.to_string().contains(&platform), "{error}: {}", error.source);
    faulty.deployment.secrets.master = Some("missing".to_owned());
    let vault = faulty.deployment.vault(&faulty.clients, Arc::new(StandingClock::default()));
    assert_eq!(vault.master_keys(Freshness::Known).await.err().unwrap().name, "master key");
    faulty.deployment.secrets.master = None;
    let vault = faulty.deployment.vault(&faulty.clients, Arc::new(StandingClock::default()));
    assert!(
        vault.master_keys(Freshness::Known).await.err().unwrap().source.to_string().contains("was not given")
    );
}

#[tokio::test]
async fn another_master_key_is_there_at_once_for_those_who_ask_and_after_five_minutes_for_all() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let clock = Arc::new(StandingClock::default());
    let [asking, quiet] = [(); 2].map(|()| faulty.deployment.vault(&faulty.clients, clock.clone()));
    for vault in [&asking, &quiet] {
        vault.master_keys(Freshness::Known).await.unwrap();
    }
    let new = "another-example-of-a-random-text-of-43-characters";
    let text = format!(r#"{{"current": "{new}", "older": ["{MASTER}"]}}"#);
    let name = faulty.deployment.secrets.master.clone().unwrap();
    let secrets = &faulty.deployment.direct.secrets;
    secrets.put_secret_value().secret_id(name).secret_string(text).send().await.unwrap();
    clock.0.fetch_add(1_000, Ordering::SeqCst);
    let keys = asking.master_keys(Freshness::New).await.unwrap();
    assert_eq!(*keys.current.expose_secret(), key(new));
    assert_eq!(keys.older.iter().map(|key| *key.expose_secret()).collect::<Vec<_>>(), [key(MASTER)]);
    let before = faulty.proxy.count("GetSecretValue");
    clock.0.fetch_add(999, Ordering::SeqCst);
    asking.master_keys(Freshness::New).await.unwrap();
    assert_eq!(faulty.proxy.count("GetSecretValue"), before, "not again within a second");
    let keys = quiet.master_keys(Freshness::Recent).await.unwrap();
    assert_eq!(*keys.current.expose_secret(), key(MASTER), "what is known is trusted");
    clock.0.fetch_add(300_000, Ordering::SeqCst);
    let keys = quiet.master_keys(Freshness::Recent).await.unwrap();
    assert_eq!(*keys.current.expose_secret(), key(new));
}

/// Otherwise something could be sealed with a former key after everything was sealed again.
#[tokio::test]
async fn nothing_is_sealed_with_a_key_that_could_not_be_renewed() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let clock = Arc::new(StandingClock::default());
    let vault = faulty.deployment.vault(&faulty.clients, clock.clone());
    vault.master_keys(Freshness::Known).await.unwrap();
    faulty.proxy.set(Plan::Always(Fault::Throttle));
    clock.0.fetch_add(300_000, Ordering::SeqCst);
    assert!(vault.master_keys(Freshness::Known).await.is_ok(), "to open, it will do");
    assert!(vault.master_keys(Freshness::Recent).await.is_err());
    assert!(vault.master_keys(Freshness::New).await.is_err());
    faulty.proxy.set(Plan::script(&[]));
    assert!(vault.master_keys(Freshness::Recent).await.is_ok());
}
