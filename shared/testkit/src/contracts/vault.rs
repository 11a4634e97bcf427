//! The contract of the Vault port.

use postrider_application::ports::{Freshness, Vault};
use secrecy::ExposeSecret as _;

/// Runs every case. `platform_key` is what the vault was given.
pub async fn vault_contract(vault: &dyn Vault, platform_key: Option<&str>) {
    the_master_key_stays(vault).await;
    the_platform_key_is_what_was_set(vault, platform_key).await;
}

/// Everything that is sealed hangs on one key.
pub async fn the_master_key_stays(vault: &dyn Vault) {
    let current = async |freshness| {
        let keys = vault.master_keys(freshness).await.unwrap();
        *keys.current.expose_secret()
    };
    let (one, other) = futures::join!(current(Freshness::Known), current(Freshness::Recent));
    assert_eq!(one, other);
    assert_eq!(one, current(Freshness::New).await);
    assert_ne!(one, [0; 32]);
    assert!(vault.master_keys(Freshness::Known).await.unwrap().older.is_empty(), "none was replaced");
}

/// The key as it was set, or none.
pub async fn the_platform_key_is_what_was_set(vault: &dyn Vault, platform_key: Option<&str>) {
    let found = vault.platform_key().await.unwrap();
    assert_eq!(found.as_ref().map(|key| key.expose_secret()), platform_key);
}
