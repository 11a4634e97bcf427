//! The keys of one endpoint. While a key replaces another, both sign: each that was replaced has an end, after
//! which it is left out, without anybody having to do something at that moment.

use std::time::Duration;

use super::{KeyKind, PublicKey, SigningKey};
use crate::Timestamp;

/// How many keys of one kind an endpoint can sign with at the same time: each adds a signature to every request.
pub const MAX_LIVE_KEYS: usize = 5;

/// A key, and for how long it signs.
#[derive(Debug, Clone)]
pub struct RingKey {
    /// The key.
    pub key: SigningKey,
    /// Since when the endpoint has it.
    pub created_at: Timestamp,
    /// The first moment at which it does not sign any more; `None` until it is replaced.
    pub expires_at: Option<Timestamp>,
}

impl RingKey {
    /// Whether it signs.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Too many keys sign already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyKeys {
    /// The kind.
    pub kind: KeyKind,
    /// When the first of them ends.
    pub until: Timestamp,
}

/// The keys of one endpoint, the newest first.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<RingKey>);

impl KeyRing {
    /// These keys, the newest first.
    pub fn new(keys: Vec<RingKey>) -> Self {
        Self(keys)
    }

    /// All keys, the newest first, those that ended included.
    pub fn keys(&self) -> &[RingKey] {
        &self.0
    }

    /// The keys that sign, the newest first.
    pub fn live(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &RingKey> {
        self.0.iter().filter(move |key| key.is_live(now))
    }

    /// The keys of a kind that sign, the newest first.
    pub fn live_of(&self, kind: KeyKind, now: Timestamp) -> impl DoubleEndedIterator<Item = &RingKey> {
        self.live(now).filter(move |key| key.key.kind() == kind)
    }

    /// The key of a kind that nothing has replaced.
    pub fn present(&self, kind: KeyKind) -> Option<&RingKey> {
        self.0.iter().find(|key| key.key.kind() == kind && key.expires_at.is_none())
    }

    /// Removes what does not sign any more.
    pub fn prune(&mut self, now: Timestamp) {
        self.0.retain(|key| key.is_live(now));
    }

    /// Puts a key in the place of the present one of its kind. What signed until now goes on for `overlap` at
    /// most; what has ended is removed.
    ///
    /// # Errors
    /// When more than [`MAX_LIVE_KEYS`] of its kind would sign. Nothing has changed then.
    pub fn rotate(&mut self, key: SigningKey, now: Timestamp, overlap: Duration) -> Result<(), TooManyKeys> {
        let (kind, end) = (key.kind(), now.after(overlap));
        let mut after = self.clone();
        for former in after.0.iter_mut().filter(|former| former.key.kind() == kind) {
            former.expires_at = Some(former.expires_at.map_or(end, |before| before.min(end)));
        }
        after.prune(now);
        let ends: Vec<_> = after.live_of(kind, now).filter_map(|former| former.expires_at).collect();
        if let Some(until) = ends.iter().copied().min().filter(|_| ends.len() >= MAX_LIVE_KEYS) {
            return Err(TooManyKeys { kind, until });
        }
        after.0.insert(0, RingKey { key, created_at: now, expires_at: None });
        *self = after;
        Ok(())
    }

    /// Whether a key is among these, ended ones included.
    pub fn contains(&self, key: &SigningKey) -> bool {
        let text = key.reveal();
        self.0.iter().any(|ours| ours.key.reveal() == text)
    }

    /// Whether the same keys are the present ones here and there.
    pub fn has_same_present_keys(&self, other: &Self) -> bool {
        let text = |ring: &Self, kind| ring.present(kind).map(|key| key.key.reveal());
        KeyKind::ALL.into_iter().all(|kind| text(self, kind) == text(other, kind))
    }

    /// The public halves of the key pairs, each with its end.
    pub fn public_keys(&self) -> Vec<PublishedKey> {
        let published = self.0.iter().filter_map(|ours| match &ours.key {
            SigningKey::Ed25519(pair) => {
                Some(PublishedKey { key: pair.public_key(), expires_at: ours.expires_at })
            }
            SigningKey::Hmac(_) => None,
        });
        published.collect()
    }
}

/// A public key that receivers look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: PublicKey,
    /// From when on nothing is signed with it any more.
    pub expires_at: Option<Timestamp>,
}

impl PublishedKey {
    /// Whether requests are signed with it.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests;
