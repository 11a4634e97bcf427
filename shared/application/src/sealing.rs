//! Sealing: what an endpoint keeps secret is stored encrypted, with a key derived from the master key.
//!
//! AES-256-GCM with a random nonce for each seal; the tenant and the endpoint are authenticated with it, so
//! that a sealed value cannot be moved to another. The form is: version (1 byte), key id (4 bytes), nonce
//! (12 bytes), ciphertext with tag.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use postrider_domain::{EndpointId, TenantId};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use crate::ports::Entropy;

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

/// Seals and opens what endpoints keep secret.
pub struct Sealer {
    cipher: Aes256Gcm,
    key_id: [u8; 4],
}

impl Sealer {
    /// A sealer with keys derived from the master key.
    pub fn new(master: &SecretBox<[u8; 32]>) -> Self {
        let derivation = Hkdf::<Sha256>::new(None, master.expose_secret());
        let mut key = [0; 32];
        derivation.expand(b"postrider/endpoint-secrets/v1", &mut key).expect("HKDF derives up to 8160 bytes");
        let cipher = Aes256Gcm::new(&key.into());
        let mut key_id = [0; 4];
        let digest = Sha256::digest(key);
        key_id.copy_from_slice(&digest[..4]);
        Self { cipher, key_id }
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
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload).expect("the value is below 64 GiB");
        [&[VERSION], &self.key_id[..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed for an endpoint.
    ///
    /// # Errors
    /// When it was not sealed with this key for this endpoint.
    pub fn open(&self, tenant: &TenantId, endpoint: EndpointId, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (header, ciphertext) = sealed.split_at_checked(HEADER_BYTES).ok_or(OpenError::Form)?;
        if header[0] != VERSION {
            return Err(OpenError::Form);
        }
        if header[1..5] != self.key_id {
            return Err(OpenError::OtherKey);
        }
        let nonce: [u8; NONCE_BYTES] = header[5..].try_into().map_err(|_| OpenError::Form)?;
        let aad = associated_data(tenant, endpoint);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        self.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| OpenError::Tampered)
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
        Sealer::new(&SecretBox::new(Box::new([byte; 32])))
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
}
