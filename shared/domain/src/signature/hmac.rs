//! Secrets that both sides know: `v1` signatures, and the HMAC of the body for older receivers.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The prefix of a symmetric secret's text.
pub(super) const PREFIX: &str = "whsec_";

/// How many random bytes a secret made here has. The specification allows 24 to 64.
pub const SECRET_BYTES: usize = 32;

/// A symmetric signing secret. Neither shown by `Debug` nor compared.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

/// The text is not a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ followed by the base64 of 24 to 64 random bytes")]
pub struct SecretError;

impl SigningSecret {
    /// A secret of bytes that were drawn at random.
    pub fn from_random(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes.to_vec())
    }

    /// The secret's text, to be shown to its owner: `whsec_...`.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The value of the header `webhook-signature` for this secret: `v1,` and the base64 of the HMAC over
    /// `id.timestamp.body`. `timestamp` is in seconds since the Unix epoch.
    pub fn sign_standard(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let mac = hmac_sha256(&self.0, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
        ["v1,", &BASE64.encode(mac)].concat()
    }
}

/// The HMAC over the body alone, for receivers that expect one of the older schemes. The key is the bytes of
/// the secret's text as its owner sees it, because that is what such receivers are given.
pub fn sign_body(secret_text: &str, body: &[u8], encoding: BodySignatureEncoding) -> String {
    let mac = hmac_sha256(secret_text.as_bytes(), &[body]);
    match encoding {
        BodySignatureEncoding::Hex => hex::encode(mac),
        BodySignatureEncoding::Base64 => BASE64.encode(mac),
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length, so that this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SecretError)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError) }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// How the HMAC of the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySignatureEncoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_the_vector_of_the_standard_webhooks_libraries() {
        let secret: SigningSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signature = secret.sign_standard("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn the_body_scheme_agrees_with_rfc_4231_case_2() {
        let hex = sign_body("Jefe", b"what do ya want for nothing?", BodySignatureEncoding::Hex);
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let base64 = sign_body("Jefe", b"what do ya want for nothing?", BodySignatureEncoding::Base64);
        assert_eq!(BASE64.decode(base64).unwrap(), hex::decode(hex).unwrap());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = SigningSecret::from_random([7; SECRET_BYTES]);
        assert_eq!(format!("{secret:?}"), "SigningSecret(..)");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", "whsec_", "whsec_AAAA", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_%%%%"] {
            assert_eq!(bad.parse::<SigningSecret>().unwrap_err(), SecretError, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_read_as_it_is_revealed(bytes: [u8; SECRET_BYTES], body: Vec<u8>) {
            let secret = SigningSecret::from_random(bytes);
            let read: SigningSecret = secret.reveal().parse().unwrap();
            prop_assert_eq!(read.sign_standard("id", 1, &body), secret.sign_standard("id", 1, &body));
        }

        #[test]
        fn every_part_is_covered(id in "[a-z]{1,9}", at in 0_u64..9_999_999_999, body: Vec<u8>) {
            let secret = SigningSecret::from_random([7; SECRET_BYTES]);
            let signature = secret.sign_standard(&id, at, &body);
            let mut longer = body.clone();
            longer.push(0);
            prop_assert_ne!(&signature, &secret.sign_standard(&format!("{id}x"), at, &body));
            prop_assert_ne!(&signature, &secret.sign_standard(&id, at + 1, &body));
            prop_assert_ne!(&signature, &secret.sign_standard(&id, at, &longer));
        }
    }
}
