//! Replacing the keys that an endpoint signs with: the former ones go on signing beside the new one for a while,
//! so that receivers can change theirs at any moment in between.

use std::time::Duration;

use postrider_domain::signature::{KeyKind, KeyRing, RingKey, SECRET_BYTES, SigningKey};
use postrider_domain::{EndpointId, FieldProblem, TenantId, Timestamp};

use super::manage::ManageEndpoints;
use super::{EndpointError, TRIES};
use crate::ports::TableError;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The kind of key, or the one that the endpoint signs with.
    pub kind: Option<KeyKind>,
    /// The new key, or one that is made here.
    pub key: Option<SigningKey>,
    /// For how long the former keys of this kind go on signing.
    pub overlap: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The new key.
    pub key: RingKey,
    /// When the last of the former keys ends; `None` when none signs beside the new one.
    pub previous_expires_at: Option<Timestamp>,
}

impl ManageEndpoints {
    /// Replaces the key of one kind.
    ///
    /// # Errors
    /// When there is no such endpoint, a field is wrong, too many keys sign already, somebody else replaces a
    /// key at the same time, or the store fails.
    pub async fn rotate(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        rotation: Rotation,
    ) -> Result<Rotated, EndpointError> {
        let mut seen: Option<KeyRing> = None;
        for _ in 0..TRIES {
            let before = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
            let mut secrets = self.secrets.open(&before).await?;
            // Somebody who was faster has been shown a key as the present one.
            if seen.as_ref().is_some_and(|keys| !keys.has_same_present_keys(&secrets.signing)) {
                return Err(EndpointError::RotatedMeanwhile(id));
            }
            seen = Some(secrets.signing.clone());
            let kinds = self.channel(before.endpoint.channel)?.signs_with(&secrets.config);
            let key = self.new_key(&rotation, kinds, &secrets.signing)?;
            let (kind, now) = (key.kind(), self.clock.now());
            secrets.signing.rotate(key, now, rotation.overlap)?;
            let rotated = rotated(&secrets.signing, kind, now);
            let mut endpoint = before.endpoint.clone();
            endpoint.updated_at = now;
            endpoint.version += 1;
            // Without a check: a key can be replaced although today's rules would not accept the rest.
            let after = self.sealed(endpoint, secrets).await?;
            match self.endpoints.replace(&before, &after).await {
                Ok(()) => return rotated.ok_or(EndpointError::Contended(id)),
                Err(TableError::ConditionFailed { .. } | TableError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EndpointError::Contended(id))
    }

    /// The keys that an endpoint signs with, the newest first.
    ///
    /// # Errors
    /// When there is no such endpoint or the store fails.
    pub async fn keys(&self, tenant: &TenantId, id: EndpointId) -> Result<Vec<RingKey>, EndpointError> {
        let record = self.endpoints.get(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
        let secrets = self.secrets.open(&record).await?;
        Ok(secrets.signing.live(self.clock.now()).cloned().collect())
    }

    fn new_key(
        &self,
        rotation: &Rotation,
        kinds: &[KeyKind],
        present: &KeyRing,
    ) -> Result<SigningKey, EndpointError> {
        let invalid = |field, message: &str| EndpointError::Invalid(vec![FieldProblem::new(field, message)]);
        if let Some(own) = &rotation.key {
            if rotation.kind.is_some_and(|kind| kind != own.kind()) {
                return Err(invalid("secret", "is not of the kind that the field key names"));
            }
            if present.contains(own) {
                return Err(invalid("secret", "is a key that this endpoint has already"));
            }
            return Ok(own.clone());
        }
        let kind = match (rotation.kind, kinds) {
            (Some(kind), _) | (None, &[kind]) => kind,
            _ => return Err(invalid("key", "is required: this endpoint signs with hmac and ed25519")),
        };
        Ok(self.random_key(kind))
    }

    /// A new key.
    pub(super) fn random_key(&self, kind: KeyKind) -> SigningKey {
        let mut bytes = [0; SECRET_BYTES];
        self.entropy.fill(&mut bytes);
        SigningKey::from_random(kind, bytes)
    }
}

fn rotated(ring: &KeyRing, kind: KeyKind, now: Timestamp) -> Option<Rotated> {
    let previous_expires_at = ring.live_of(kind, now).filter_map(|key| key.expires_at).max();
    Some(Rotated { key: ring.present(kind)?.clone(), previous_expires_at })
}
