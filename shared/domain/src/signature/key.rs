//! A key of either kind.

use std::fmt;
use std::str::FromStr;

use super::hmac::{self, SigningSecret};
use super::{KeyPair, ed25519};

/// The kinds of keys that endpoints sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A secret that the receiver knows, too: `v1` signatures.
    Hmac,
    /// A key pair of which the receiver knows the public half: `v1a` signatures.
    Ed25519,
}

/// The text names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hmac or ed25519")]
pub struct UnknownKeyKind;

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Hmac, Self::Ed25519];

    /// The kind as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyKind {
    type Err = UnknownKeyKind;

    fn from_str(text: &str) -> Result<Self, UnknownKeyKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKeyKind)
    }
}

/// The text is not a key. The message does not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It begins like none.
    #[error("must begin with whsec_ (a secret) or whsk_ (an ed25519 key pair)")]
    Prefix,
    /// It is not a secret.
    #[error(transparent)]
    Secret(#[from] hmac::SecretError),
    /// It is not a key pair.
    #[error("an ed25519 key pair is whsk_ followed by the base64 of its seed and its public key, 64 bytes")]
    KeyPair,
    /// It is not a public key.
    #[error("an ed25519 public key is whpk_ followed by the base64 of its 32 bytes")]
    PublicKey,
}

/// A key to sign with. `Debug` shows nothing that is secret.
#[derive(Debug, Clone)]
pub enum SigningKey {
    /// A secret.
    Hmac(SigningSecret),
    /// A key pair.
    Ed25519(KeyPair),
}

impl SigningKey {
    /// A key of a kind, of bytes that were drawn at random.
    pub fn from_random(kind: KeyKind, bytes: [u8; 32]) -> Self {
        match kind {
            KeyKind::Hmac => Self::Hmac(SigningSecret::from_random(bytes)),
            KeyKind::Ed25519 => Self::Ed25519(KeyPair::from_random(bytes)),
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Hmac(_) => KeyKind::Hmac,
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Its whole text, the secret part included.
    pub fn reveal(&self) -> String {
        match self {
            Self::Hmac(secret) => secret.reveal(),
            Self::Ed25519(pair) => pair.reveal(),
        }
    }

    /// The signature of `id.timestamp.body`, as it stands in the header `webhook-signature`.
    pub fn sign_standard(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        match self {
            Self::Hmac(secret) => secret.sign_standard(id, timestamp, body),
            Self::Ed25519(pair) => pair.sign_standard(id, timestamp, body),
        }
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.starts_with(hmac::PREFIX) {
            Ok(Self::Hmac(text.parse()?))
        } else if text.starts_with(ed25519::PREFIX) {
            Ok(Self::Ed25519(text.parse()?))
        } else {
            Err(KeyError::Prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_revealed_and_never_printed() {
        for kind in KeyKind::ALL {
            let key = SigningKey::from_random(kind, [7; 32]);
            let read: SigningKey = key.reveal().parse().unwrap();
            assert_eq!((read.kind(), read.reveal()), (kind, key.reveal()));
            assert_eq!(read.sign_standard("a", 1, b"b"), key.sign_standard("a", 1, b"b"));
            let (printed, secret) = (format!("{key:?}"), key.reveal());
            assert!(!printed.contains(&secret[6..40]), "{printed}");
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("rsa".parse::<KeyKind>(), Err(UnknownKeyKind));
        assert_eq!("whpk_AAAA".parse::<SigningKey>().unwrap_err(), KeyError::Prefix);
    }
}
