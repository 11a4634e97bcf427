//! The contract of the Vault port.

use postrider_application::ports::Vault;
use secrecy::ExposeSecret as _;

/// Runs every case. `platform_key` is what the vault was given.
pub async fn vault_contract(vault: &dyn Vault, platform_key: Option<&str>) {
    the_master_key_stays(vault).await;
    the_platform_key_is_what_was_set(vault, platform_key).await;
}

/// Everything that is sealed hangs on one key.
pub async fn the_master_key_stays(vault: &dyn Vault) {
    let (one, other) = futures::join!(vault.master_key(), vault.master_key());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.expose_secret(), other.expose_secret());
    assert_eq!(one.expose_secret(), vault.master_key().await.unwrap().expose_secret());
    assert_ne!(one.expose_secret(), &[0; 32]);
}

/// The key as it was set, or none.
pub async fn the_platform_key_is_what_was_set(vault: &dyn Vault, platform_key: Option<&str>) {
    let found = vault.platform_key().await.unwrap();
    assert_eq!(found.as_ref().map(|key| key.expose_secret()), platform_key);
}
