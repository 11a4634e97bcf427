//! Signatures: Standard Webhooks (`v1`, HMAC-SHA256; `v1a`, ed25519) and a plain HMAC of the body; and the keys
//! that an endpoint has for them, several while one replaces another.
//!
//! Source: the Standard Webhooks specification 1.0.0, "Webhook headers" and "Signature scheme".

pub mod ed25519;
pub mod hmac;
pub mod jwk;
pub mod key;
pub mod ring;

pub use ed25519::{KeyPair, PublicKey};
pub use hmac::{BodySignatureEncoding, SECRET_BYTES, SecretError, SigningSecret, sign_body};
pub use jwk::Jwk;
pub use key::{KeyError, KeyKind, SigningKey};
pub use ring::{KeyRing, MAX_LIVE_KEYS, PublishedKey, RingKey, TooManyKeys};
