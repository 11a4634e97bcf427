//! The keys that endpoints sign with: as they are asked for, shown to their owner, and published.

use std::str::FromStr as _;
use std::time::Duration;

use postrider_application::endpoints::{Rotated, Rotation};
use postrider_domain::signature::{Jwk, KeyKind, KeyRing, PublicKey, PublishedKey, RingKey, SigningKey};
use postrider_domain::{FieldProblem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, Number, Shown};

/// For how long the former key signs beside the new one, in seconds, unless the request says otherwise.
const DEFAULT_OVERLAP: u32 = 86_400;

/// The longest overlap.
const MAX_OVERLAP: u32 = 604_800;

/// A key to be replaced.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateInput {
    overlap_seconds: Option<Number>,
    secret: Option<String>,
    key: Option<String>,
}

impl RotateInput {
    pub(crate) fn rotation(self) -> Result<Rotation, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let seconds = self.overlap_seconds.map_or(Some(DEFAULT_OVERLAP), Number::as_whole);
        let overlap = seconds.filter(|seconds| *seconds <= MAX_OVERLAP);
        if overlap.is_none() {
            findings.add("overlap_seconds", format!("a whole number of seconds from 0 to {MAX_OVERLAP}"));
        }
        let kind = findings.read("key", self.key.as_deref(), KeyKind::from_str);
        let key = findings.read("secret", self.secret.as_deref(), SigningKey::from_str);
        let overlap = overlap.map(|seconds| Duration::from_secs(seconds.into()));
        findings.finish(overlap.map(|overlap| Rotation { kind, key, overlap }))
    }
}

/// A key as its owner sees it: a secret in full, of a key pair the public half.
#[derive(Serialize)]
pub(crate) struct KeyBody {
    key: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Shown<PublicKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    created_at: Shown<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Shown<Timestamp>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_expires_at: Option<Option<Shown<Timestamp>>>,
}

impl KeyBody {
    /// One of an endpoint's keys, with its end.
    fn listed(key: &RingKey) -> Self {
        Self { expires_at: Some(key.expires_at.map(Shown)), ..Self::of(key) }
    }

    /// A key that has just replaced others, with their end.
    pub(crate) fn rotated(rotated: &Rotated) -> Self {
        let previous_expires_at = Some(rotated.previous_expires_at.map(Shown));
        Self { previous_expires_at, ..Self::of(&rotated.key) }
    }

    fn of(key: &RingKey) -> Self {
        let (secret, public) = halves(&key.key);
        Self {
            key: key.key.kind().as_str(),
            secret,
            kid: public.map(|key| Jwk::of(&key).key_id),
            public_key: public.map(Shown),
            created_at: Shown(key.created_at),
            expires_at: None,
            previous_expires_at: None,
        }
    }
}

/// What is shown of a key: its secret, or the public half of a pair.
fn halves(key: &SigningKey) -> (Option<String>, Option<PublicKey>) {
    match key {
        SigningKey::Hmac(secret) => (Some(secret.reveal()), None),
        SigningKey::Ed25519(pair) => (None, Some(pair.public_key())),
    }
}

/// What is shown of the keys that nothing has replaced.
#[derive(Default)]
pub(crate) struct PresentKeys {
    pub(crate) secret: Option<String>,
    pub(crate) public_key: Option<Shown<PublicKey>>,
}

impl PresentKeys {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let present = |kind| ring.present(kind).map(|key| halves(&key.key));
        Self {
            secret: present(KeyKind::Hmac).and_then(|(secret, _)| secret),
            public_key: present(KeyKind::Ed25519).and_then(|(_, public)| public).map(Shown),
        }
    }
}

/// The keys of an endpoint that sign.
#[derive(Serialize)]
pub(crate) struct KeysBody {
    /// The newest secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    keys: Vec<KeyBody>,
}

impl KeysBody {
    pub(crate) fn new(keys: &[RingKey]) -> Self {
        let secret = keys.iter().find_map(|key| halves(&key.key).0);
        Self { secret, keys: keys.iter().map(KeyBody::listed).collect() }
    }
}

/// A JSON Web Key Set (RFC 7517, section 5) of the public keys that are in use.
#[derive(Serialize)]
pub(crate) struct JwksBody {
    keys: Vec<JwkBody>,
}

#[derive(Serialize)]
struct JwkBody {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    r#use: &'static str,
    alg: &'static str,
}

impl JwksBody {
    pub(crate) fn new(published: &[PublishedKey], now: Timestamp) -> Self {
        let live = published.iter().filter(|key| key.is_live(now));
        let keys = live.map(|published| {
            let Jwk { key_id, x } = Jwk::of(&published.key);
            JwkBody {
                kty: Jwk::KEY_TYPE,
                crv: Jwk::CURVE,
                x,
                kid: key_id,
                r#use: Jwk::USE,
                alg: Jwk::ALGORITHM,
            }
        });
        Self { keys: keys.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
