//! The two parts of a link: the token, which says what it is a link to, and its signature.
//!
//! The token is base64 (RFC 4648, section 5, without padding) of: version (1 byte), when the event was accepted and
//! when the link ends (8 bytes each, big-endian, in milliseconds), the length of the tenant's id (1 byte), the
//! tenant's id, the event's id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postrider_domain::{EventId, TenantId, Timestamp};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::ports::MasterKey;

const VERSION: u8 = 1;

/// What a link is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) tenant: TenantId,
    pub(super) event: EventId,
    /// An id can be used again when its event was removed; the moment tells the two events apart.
    pub(super) accepted_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Token {
    /// The text in a link.
    pub(super) fn write(&self) -> String {
        let (tenant, event) = (self.tenant.as_str().as_bytes(), self.event.as_str().as_bytes());
        // A tenant's id is far shorter than 255 bytes.
        let length = u8::try_from(tenant.len()).unwrap_or(u8::MAX);
        let accepted_at = self.accepted_at.as_millis().to_be_bytes();
        let expires_at = self.expires_at.as_millis().to_be_bytes();
        BASE64.encode([&[VERSION], &accepted_at[..], &expires_at, &[length], tenant, event].concat())
    }

    /// Reads a text; `None` when it is no token.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (accepted_at, rest) = rest.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (&length, rest) = rest.split_first()?;
        let (tenant, event) = rest.split_at_checked(usize::from(length))?;
        (version == VERSION).then_some(())?;
        Some(Self {
            tenant: std::str::from_utf8(tenant).ok()?.parse().ok()?,
            event: std::str::from_utf8(event).ok()?.parse().ok()?,
            accepted_at: Timestamp::from_millis(u64::from_be_bytes(*accepted_at)),
            expires_at: Timestamp::from_millis(u64::from_be_bytes(*expires_at)),
        })
    }
}

/// A key that signs tokens, derived from a master key.
pub(super) struct LinkKey([u8; 32]);

impl LinkKey {
    pub(super) fn of(master: &MasterKey) -> Self {
        let mut key = [0; 32];
        let derivation = Hkdf::<Sha256>::new(None, master.expose_secret());
        derivation.expand(b"postrider/data-links/v1", &mut key).expect("HKDF derives up to 8160 bytes");
        Self(key)
    }

    fn mac(&self, token: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(token.as_bytes());
        mac
    }

    /// The signature of a token's text.
    pub(super) fn sign(&self, token: &str) -> String {
        BASE64.encode(self.mac(token).finalize().into_bytes())
    }

    /// Whether this key made a signature, told in the same time wherever it is wrong.
    pub(super) fn has_signed(&self, token: &str, signature: &str) -> bool {
        BASE64.decode(signature).is_ok_and(|signature| self.mac(token).verify_slice(&signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        Token {
            tenant: "acme".parse().unwrap(),
            event: "order:1".parse().unwrap(),
            accepted_at: Timestamp::from_millis(1_769_860_800_123),
            expires_at: Timestamp::from_millis(1_770_465_600_000),
        }
    }

    fn key(byte: u8) -> LinkKey {
        LinkKey::of(&MasterKey::new(Box::new([byte; 32])))
    }

    /// The form is kept: links live longer than programs. The expected values were computed with another language's
    /// HKDF and HMAC.
    #[test]
    fn a_token_and_its_signature_have_their_form() {
        let text = token().write();
        assert_eq!(text, TOKEN);
        assert_eq!(key(7).sign(&text), SIGNATURE);
        assert_eq!(Token::read(TOKEN), Some(token()));
    }

    const TOKEN: &str = "AQAAAZwT7J57AAABnDf5IgAEYWNtZW9yZGVyOjE";
    const SIGNATURE: &str = "2E9GO6seym1Lkw_2r8HIJShyz2fpe4BMTRhbg-nhvqc";

    #[test]
    fn no_other_key_and_no_other_token_has_the_signature() {
        let (text, key_of_others) = (token().write(), key(8));
        let signature = key(7).sign(&text);
        assert!(key(7).has_signed(&text, &signature));
        assert!(!key_of_others.has_signed(&text, &signature));
        for other in [
            Token { tenant: "acme2".parse().unwrap(), ..token() },
            Token { event: "order:2".parse().unwrap(), ..token() },
            Token { accepted_at: Timestamp::from_millis(1), ..token() },
            Token { expires_at: Timestamp::from_millis(1_770_465_601_000), ..token() },
            // The same letters, divided otherwise.
            Token { tenant: "acmeorder".parse().unwrap(), event: "1".parse().unwrap(), ..token() },
        ] {
            assert!(!key(7).has_signed(&other.write(), &signature), "{other:?}");
        }
        for wrong in ["", "A", &signature[1..], &format!("{signature}A"), &format!("{signature}=")] {
            assert!(!key(7).has_signed(&text, wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let text = token().write();
        for wrong in ["", "AQ", "!", &text[..12], &format!("{text}="), &BASE64.encode([2; 40])] {
            assert_eq!(Token::read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_token_comes_back(
            tenant in "[a-z][a-z0-9]{2,30}", event in "[A-Za-z0-9_:-]{1,128}", accepted: u64, expires: u64,
        ) {
            let token = Token {
                tenant: tenant.parse().unwrap(),
                event: event.parse().unwrap(),
                accepted_at: Timestamp::from_millis(accepted),
                expires_at: Timestamp::from_millis(expires),
            };
            prop_assert_eq!(Token::read(&token.write()), Some(token));
        }

        #[test]
        fn no_changed_character_is_taken(at in 0_usize..100, by in 1_u8..64) {
            let text = token().write();
            let signature = key(7).sign(&text);
            let changed = |text: &str| -> String {
                let at = at % text.len();
                let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let place = alphabet.iter().position(|byte| *byte == text.as_bytes()[at]).unwrap();
                let other = char::from(alphabet[(place + usize::from(by)) % 64]);
                text.char_indices().map(|(place, old)| if place == at { other } else { old }).collect()
            };
            prop_assert!(!key(7).has_signed(&changed(&text), &signature));
            prop_assert!(!key(7).has_signed(&text, &changed(&signature)));
        }
    }
}
