//! Key pairs of an endpoint's own: `v1a` signatures, which a receiver verifies without knowing a secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey as Secret, VerifyingKey};

use super::key::KeyError;

/// The prefix of a private key's text.
pub(super) const PREFIX: &str = "whsk_";

/// The prefix of a public key's text.
const PUBLIC_PREFIX: &str = "whpk_";

/// How many random bytes a key pair is made of (RFC 8032, section 5.1.5).
pub const SEED_BYTES: usize = 32;

/// A key pair. `Debug` shows the public half only.
#[derive(Clone)]
pub struct KeyPair(Secret);

impl KeyPair {
    /// The pair of a seed that was drawn at random.
    pub fn from_random(seed: [u8; SEED_BYTES]) -> Self {
        Self(Secret::from_bytes(&seed))
    }

    /// The private key's text: `whsk_` and the base64 of seed and public key.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(self.0.to_keypair_bytes()))
    }

    /// The half that anybody may know.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The value of the header `webhook-signature` for this pair: `v1a,` and the base64 of the signature of
    /// `id.timestamp.body`. `timestamp` is in seconds since the Unix epoch.
    pub fn sign_standard(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        format!("v1a,{}", BASE64.encode(self.sign(&signed_text(id, timestamp, body))))
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.0.sign(text).to_bytes()
    }
}

impl FromStr for KeyPair {
    type Err = KeyError;

    /// Reads seed and public key, which have to belong together.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(KeyError::KeyPair)?;
        let bytes = BASE64.decode(encoded).map_err(|_| KeyError::KeyPair)?;
        let pair = bytes.as_slice().try_into().map_err(|_| KeyError::KeyPair)?;
        Secret::from_keypair_bytes(pair).map(Self).map_err(|_| KeyError::KeyPair)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public_key())
    }
}

/// The public half of a key pair. Its text is `whpk_` and the base64 of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key's bytes (RFC 8032, section 5.1.2).
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", BASE64.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let encoded = text.strip_prefix(PUBLIC_PREFIX).ok_or(KeyError::PublicKey)?;
        let bytes = BASE64.decode(encoded).map_err(|_| KeyError::PublicKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::PublicKey)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::PublicKey)?;
        Ok(Self(bytes))
    }
}

/// What the Standard Webhooks scheme signs. `timestamp` is in seconds since the Unix epoch.
fn signed_text(id: &str, timestamp: u64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier as _};
    use proptest::prelude::*;

    use super::*;

    fn pair(seed: &str) -> KeyPair {
        let mut bytes = [0; SEED_BYTES];
        hex::decode_to_slice(seed, &mut bytes).unwrap();
        KeyPair::from_random(bytes)
    }

    /// Section 7.1: secret key, public key, message, signature.
    const RFC_8032: [[&str; 4]; 3] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];

    #[test]
    fn agrees_with_the_vectors_of_rfc_8032() {
        for [secret, public, message, signature] in RFC_8032 {
            let pair = pair(secret);
            assert_eq!(hex::encode(pair.public_key().as_bytes()), public);
            assert_eq!(hex::encode(pair.sign(&hex::decode(message).unwrap())), signature);
        }
    }

    /// The vector of the Svix server, on which other implementations of `v1a` agree.
    #[test]
    fn agrees_with_the_vector_of_other_implementations() {
        let text =
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let pair: KeyPair = text.parse().unwrap();
        assert_eq!(pair.reveal(), text);
        assert_eq!(pair.public_key().to_string(), "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
        let signature =
            pair.sign_standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(
            signature,
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let mut bytes = pair(RFC_8032[0][0]).0.to_keypair_bytes();
        bytes[32..].copy_from_slice(pair(RFC_8032[1][0]).public_key().as_bytes());
        let mixed = format!("whsk_{}", BASE64.encode(bytes));
        for bad in ["", "whsk_", "whsk_AAAA", "whsk_%%%%", &mixed] {
            assert_eq!(bad.parse::<KeyPair>().unwrap_err(), KeyError::KeyPair, "{bad}");
        }
        let public = pair(RFC_8032[0][0]).public_key().to_string();
        for bad in ["", "whpk_", &public[..40], &public[5..], &public.replace("whpk", "whsk")] {
            assert_eq!(bad.parse::<PublicKey>().unwrap_err(), KeyError::PublicKey, "{bad}");
        }
    }

    #[test]
    fn the_private_half_is_never_printed() {
        let pair = pair(RFC_8032[0][0]);
        assert_eq!(format!("{pair:?}"), format!("KeyPair({})", pair.public_key()));
    }

    proptest! {
        #[test]
        fn a_pair_is_read_as_it_is_revealed(seed: [u8; SEED_BYTES]) {
            let pair = KeyPair::from_random(seed);
            let read: KeyPair = pair.reveal().parse().unwrap();
            prop_assert_eq!(read.public_key(), pair.public_key());
            prop_assert_eq!(pair.public_key().to_string().parse(), Ok(pair.public_key()));
        }

        #[test]
        fn the_public_half_verifies_what_was_signed_and_nothing_else(
            seed: [u8; SEED_BYTES], id in "[a-z]{1,9}", at in 0_u64..9_999_999_999, body: Vec<u8>,
        ) {
            let pair = KeyPair::from_random(seed);
            let header = pair.sign_standard(&id, at, &body);
            let signature = BASE64.decode(header.strip_prefix("v1a,").unwrap()).unwrap();
            let signature = Signature::from_slice(&signature).unwrap();
            let key = VerifyingKey::from_bytes(pair.public_key().as_bytes()).unwrap();
            let verifies = |id: &str, at: u64, body: &[u8]| key.verify(&signed_text(id, at, body), &signature).is_ok();
            prop_assert!(verifies(&id, at, &body));
            let longer = format!("{id}x");
            prop_assert!(!verifies(&longer, at, &body));
            prop_assert!(!verifies(&id, at + 1, &body));
            prop_assert!(!verifies(&id, at, &[&body[..], b"0"].concat()));
        }
    }
}
