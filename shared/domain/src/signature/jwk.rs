//! Public keys as JSON Web Keys (RFC 7517) of the key type OKP (RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use sha2::{Digest as _, Sha256};

use super::PublicKey;

/// What the JSON Web Key of a public key consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`: the key's thumbprint (RFC 7638), so that it follows from the key.
    pub key_id: String,
    /// `x`: the key's bytes in base64url.
    pub x: String,
}

impl Jwk {
    /// `kty`.
    pub const KEY_TYPE: &'static str = "OKP";
    /// `crv`.
    pub const CURVE: &'static str = "Ed25519";
    /// `alg`.
    pub const ALGORITHM: &'static str = "EdDSA";
    /// `use`.
    pub const USE: &'static str = "sig";

    /// The JSON Web Key of a public key.
    pub fn of(key: &PublicKey) -> Self {
        let x = BASE64URL.encode(key.as_bytes());
        // RFC 7638, section 3: the required members only, in order, without white space.
        let members = format!(r#"{{"crv":"{}","kty":"{}","x":"{x}"}}"#, Self::CURVE, Self::KEY_TYPE);
        Self { key_id: BASE64URL.encode(Sha256::digest(members)), x }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::KeyPair;

    /// Appendices A.1 to A.3, whose key is the first of RFC 8032.
    #[test]
    fn agrees_with_the_vectors_of_rfc_8037() {
        let mut seed = [0; 32];
        hex::decode_to_slice("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", &mut seed)
            .unwrap();
        let jwk = Jwk::of(&KeyPair::from_random(seed).public_key());
        assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk.key_id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
