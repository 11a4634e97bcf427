//! Signs requests with the keys that are live at the moment of the attempt.

use http::HeaderName;
use postrider_domain::signature::{BodySignatureEncoding, KeyKind, KeyRing, sign_body};
use postrider_domain::{FieldProblem, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use super::config::signature::Signature;

const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Makes the signature.
pub(super) enum Signer {
    /// One signature for each live key of these kinds, the newest of each kind first.
    Standard { kinds: &'static [KeyKind], keys: KeyRing },
    /// One signature of the body.
    Body { header: HeaderName, encoding: BodySignatureEncoding, prefix: String, key: BodyKey },
}

/// What the body is signed with.
pub(super) enum BodyKey {
    /// A secret of the configuration.
    Own(SecretString),
    /// The endpoint's secrets. There is room for one signature, and a receiver that has not changed its secret
    /// yet has to be able to verify it: the former one signs until it ends.
    Endpoints(KeyRing),
}

impl Signer {
    /// # Errors
    /// When a key to sign with is missing.
    pub(super) fn new(signature: &Signature, keys: KeyRing) -> Result<Self, FieldProblem> {
        let all_there = signature.kinds().iter().all(|kind| keys.present(*kind).is_some());
        let no_key = || FieldProblem::new("signature", "the endpoint has no key to sign with");
        match signature {
            Signature::Body(body) => {
                let key = match &body.secret {
                    Some(own) => BodyKey::Own(own.clone()),
                    None if all_there => BodyKey::Endpoints(keys),
                    None => return Err(no_key()),
                };
                let (header, prefix) = (body.header.clone(), body.prefix.clone());
                Ok(Self::Body { header, encoding: body.encoding, prefix, key })
            }
            Signature::Standard(kinds) if all_there => Ok(Self::Standard { kinds, keys }),
            Signature::Standard(_) => Err(no_key()),
        }
    }

    /// The header that carries the signature.
    pub(super) fn header(&self) -> HeaderName {
        match self {
            Self::Standard { .. } => WEBHOOK_SIGNATURE,
            Self::Body { header, .. } => header.clone(),
        }
    }

    /// The value of that header.
    pub(super) fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        match self {
            Self::Standard { kinds, keys } => {
                let live = kinds.iter().flat_map(|kind| keys.live_of(*kind, now));
                let signatures = live.map(|key| key.key.sign_standard(id, now.as_seconds(), body));
                signatures.reduce(|signatures, next| signatures + " " + &next).unwrap_or_default()
            }
            Self::Body { encoding, prefix, key, .. } => {
                let signature = match key {
                    BodyKey::Own(own) => sign_body(own.expose_secret(), body, *encoding),
                    BodyKey::Endpoints(keys) => {
                        let oldest = keys.live_of(KeyKind::Hmac, now).next_back();
                        oldest.map(|key| sign_body(&key.key.reveal(), body, *encoding)).unwrap_or_default()
                    }
                };
                format!("{prefix}{signature}")
            }
        }
    }
}
