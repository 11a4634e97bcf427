//! Sealing: what an endpoint keeps secret is stored encrypted, with a key derived from a master key.
//!
//! AES-256-GCM with a random nonce for each seal; the tenant and the endpoint are authenticated with it, so
//! that a sealed value cannot be moved to another. The form is: version (1 byte), key id (4 bytes), nonce
//! (12 bytes), ciphertext with tag.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use postrider_domain::{EndpointId, TenantId};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::ports::{Entropy, MasterKey, MasterKeys};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const HEADER_BYTES: usize = 1 + 4 + NONCE_BYTES;

/// A sealed value cannot be opened: it was changed, moved, or sealed with another master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not in the form that is written here.
    #[error("the sealed value is not in a known form")]
    Form,
    /// It was sealed with a key that is not there any more.
    #[error("the value was sealed with another master key")]
    OtherKey,
    /// It was changed, or belongs to another endpoint.
    #[error("the sealed value was changed or belongs elsewhere")]
    Tampered,
}

/// Names a master key without giving it away: the beginning of a digest of what is derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealKeyId([u8; 4]);

impl fmt::Display for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The key that sealed a value.
///
/// # Errors
/// When the value is not in the form that is written here.
pub fn sealed_with(sealed: &[u8]) -> Result<SealKeyId, OpenError> {
    match sealed.first_chunk::<5>() {
        Some([VERSION, id @ ..]) => Ok(SealKeyId(*id)),
        _ => Err(OpenError::Form),
    }
}

/// A key derived from a master key.
struct DerivedKey {
    id: SealKeyId,
    cipher: Aes256Gcm,
}

impl DerivedKey {
    fn of(master: &MasterKey) -> Self {
        let derivation = Hkdf::<Sha256>::new(None, master.expose_secret());
        let mut key = [0; 32];
        derivation.expand(b"postrider/endpoint-secrets/v1", &mut key).expect("HKDF derives up to 8160 bytes");
        let mut id = [0; 4];
        id.copy_from_slice(&Sha256::digest(key)[..4]);
        Self { id: SealKeyId(id), cipher: Aes256Gcm::new(&key.into()) }
    }
}

/// Seals and opens what endpoints keep secret: seals with the current key, opens with the one that sealed.
pub struct Sealer {
    current: DerivedKey,
    older: Vec<DerivedKey>,
}

impl Sealer {
    /// A sealer with keys derived from the master keys.
    pub fn new(masters: &MasterKeys) -> Self {
        Self {
            current: DerivedKey::of(&masters.current),
            older: masters.older.iter().map(DerivedKey::of).collect(),
        }
    }

    /// The key that values are sealed with.
    pub fn current(&self) -> SealKeyId {
        self.current.id
    }

    /// The keys that values can be sealed with besides, the newest first.
    pub fn older(&self) -> Vec<SealKeyId> {
        self.older.iter().map(|key| key.id).collect()
    }

    /// Seals a value for an endpoint.
    pub fn seal(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        value: &[u8],
        entropy: &dyn Entropy,
    ) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let aad = associated_data(tenant, endpoint);
        let payload = Payload { msg: value, aad: aad.as_bytes() };
        let DerivedKey { id, cipher } = &self.current;
        let sealed = cipher.encrypt(&Nonce::from(nonce), payload).expect("the value is below 64 GiB");
        [&[VERSION], &id.0[..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed for an endpoint.
    ///
    /// # Errors
    /// When it was not sealed with one of these keys for this endpoint.
    pub fn open(&self, tenant: &TenantId, endpoint: EndpointId, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let id = sealed_with(sealed)?;
        let (header, ciphertext) = sealed.split_at_checked(HEADER_BYTES).ok_or(OpenError::Form)?;
        let nonce: [u8; NONCE_BYTES] = header[5..].try_into().map_err(|_| OpenError::Form)?;
        let aad = associated_data(tenant, endpoint);
        let mut result = Err(OpenError::OtherKey);
        // An id is short, so that two keys could have the same.
        for key in [&self.current].into_iter().chain(&self.older).filter(|key| key.id == id) {
            let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
            result = key.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| OpenError::Tampered);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn associated_data(tenant: &TenantId, endpoint: EndpointId) -> String {
    format!("{tenant}/{endpoint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;

    fn sealer(byte: u8) -> Sealer {
        sealer_of(byte, &[])
    }

    fn sealer_of(current: u8, older: &[u8]) -> Sealer {
        let key = |byte: u8| MasterKey::new(Box::new([byte; 32]));
        Sealer::new(&MasterKeys { current: key(current), older: older.iter().copied().map(key).collect() })
    }

    fn address() -> (TenantId, EndpointId) {
        ("acme".parse().unwrap(), "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap())
    }

    #[test]
    fn what_is_sealed_can_be_opened_where_it_belongs_and_nowhere_else() {
        let (tenant, endpoint) = address();
        let sealed = sealer(1).seal(&tenant, endpoint, b"secret", &SystemEntropy);
        assert_eq!(sealer(1).open(&tenant, endpoint, &sealed).unwrap(), b"secret");
        let other = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G3".parse().unwrap();
        assert_eq!(sealer(1).open(&tenant, other, &sealed), Err(OpenError::Tampered));
        assert_eq!(sealer(1).open(&"evil".parse().unwrap(), endpoint, &sealed), Err(OpenError::Tampered));
        assert_eq!(sealer(2).open(&tenant, endpoint, &sealed), Err(OpenError::OtherKey));
    }

    #[test]
    fn a_changed_value_is_refused() {
        let (tenant, endpoint) = address();
        let sealed = sealer(1).seal(&tenant, endpoint, b"secret", &SystemEntropy);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer(1).open(&tenant, endpoint, &changed).is_err(), "byte {at}");
        }
        assert_eq!(sealer(1).open(&tenant, endpoint, b""), Err(OpenError::Form));
    }

    #[test]
    fn sealing_twice_gives_different_bytes_without_the_value() {
        let (tenant, endpoint) = address();
        let first = sealer(1).seal(&tenant, endpoint, b"secret", &SystemEntropy);
        let second = sealer(1).seal(&tenant, endpoint, b"secret", &SystemEntropy);
        assert_ne!(first, second);
        assert!(!first.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn what_an_older_key_sealed_is_opened_as_long_as_the_key_is_there() {
        let (tenant, endpoint) = address();
        let sealed = sealer(1).seal(&tenant, endpoint, b"secret", &SystemEntropy);
        let both = sealer_of(2, &[3, 1]);
        assert_eq!(both.open(&tenant, endpoint, &sealed).unwrap(), b"secret");
        assert_eq!(sealed_with(&sealed), Ok(sealer(1).current()));
        let again = both.seal(&tenant, endpoint, b"secret", &SystemEntropy);
        assert_eq!(sealed_with(&again), Ok(both.current()));
        assert_eq!(sealer(2).open(&tenant, endpoint, &again).unwrap(), b"secret");
        assert_eq!(sealer(1).open(&tenant, endpoint, &again), Err(OpenError::OtherKey));
        assert_eq!(both.older(), [sealer(3).current(), sealer(1).current()]);
    }

    #[test]
    fn keys_are_not_printed() {
        let keys = MasterKeys { current: MasterKey::new(Box::new([77; 32])), older: Vec::new() };
        assert!(!format!("{keys:?}").contains("77"));
    }
}
