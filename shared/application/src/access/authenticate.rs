//! From the text of a bearer key to who is calling.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postrider_domain::{KeyId, TenantId};
use secrecy::ExposeSecret;

use super::keys::{is_same, is_secret_of, split};
use super::{Permission, Role};
use crate::cache::TimedCache;
use crate::ports::{Clock, TableError, Vault, VaultError};
use crate::stores::Tenants;
use crate::stores::api_keys::{ApiKey, ApiKeys};

/// How long a key that was looked up is taken for valid without another look.
const CACHED: Duration = Duration::from_secs(30);

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The platform's operator, acting for nobody in particular.
    Platform,
    /// A tenant, or the operator acting for it.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// What the caller may do.
        role: Role,
        /// The key, for the record of who did what; `None` for the operator.
        key: Option<KeyId>,
    },
}

/// The caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No key was given.
    #[error("give an API key in the header 'Authorization: Bearer <key>'")]
    Missing,
    /// The key is unknown, expired or deleted.
    #[error("the API key is not valid; it may have been deleted or have expired")]
    Invalid,
    /// The key may not be used from this address.
    #[error("this API key may not be used from this address")]
    Address,
    /// The key's role does not suffice.
    #[error("a key with the role {role} may not do this")]
    Role {
        /// The key's role.
        role: Role,
    },
    /// Only the platform's own key may do this.
    #[error("only the platform key may do this")]
    PlatformOnly,
    /// The platform's key acts for a tenant only by name.
    #[error("name the tenant to act for in the header 'Postrider-Tenant'")]
    TenantMissing,
    /// The tenant to act for does not exist.
    #[error("there is no tenant {0}")]
    UnknownTenant(String),
    /// The keys cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The platform's key cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Tells who is calling.
pub struct Authenticator {
    keys: ApiKeys,
    tenants: Tenants,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    cache: TimedCache<KeyId, Arc<ApiKey>>,
}

impl Authenticator {
    /// An authenticator that knows these keys and the platform's, which is in the vault.
    pub fn new(keys: ApiKeys, tenants: Tenants, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, tenants, vault, clock, cache: TimedCache::new(10_000, CACHED) }
    }

    /// Who calls with this key, on behalf of the tenant in `acting_for`, from `address`.
    ///
    /// # Errors
    /// When the key is missing or not valid, or the keys cannot be read.
    pub async fn authenticate(
        &self,
        bearer: Option<&str>,
        acting_for: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Caller, AuthError> {
        let bearer = bearer.ok_or(AuthError::Missing)?;
        let Some((id, secret)) = split(bearer) else {
            return match self.is_platform_key(bearer).await? {
                true => self.platform(acting_for).await,
                false => Err(AuthError::Invalid),
            };
        };
        let key = self.key(id).await?.ok_or(AuthError::Invalid)?;
        if !is_secret_of(&key.hash, secret) || key.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(AuthError::Invalid);
        }
        let listed = |address: IpAddr| key.allowed_cidrs.iter().any(|cidr| cidr.contains(&address));
        if !key.allowed_cidrs.is_empty() && !address.is_some_and(listed) {
            return Err(AuthError::Address);
        }
        Ok(Caller::Tenant { tenant: key.tenant.clone(), role: key.role, key: Some(id) })
    }

    /// Forgets what is known of a key that was deleted.
    pub fn forget(&self, id: KeyId) {
        self.cache.remove(&id);
    }

    async fn is_platform_key(&self, bearer: &str) -> Result<bool, VaultError> {
        let key = self.vault.platform_key().await?;
        Ok(key.is_some_and(|key| is_same(bearer, key.expose_secret())))
    }

    async fn platform(&self, acting_for: Option<&str>) -> Result<Caller, AuthError> {
        let Some(name) = acting_for else { return Ok(Caller::Platform) };
        let unknown = || AuthError::UnknownTenant(name.chars().take(64).collect());
        let tenant: TenantId = name.parse().map_err(|_| unknown())?;
        if self.tenants.get(&tenant).await?.is_none() {
            return Err(unknown());
        }
        Ok(Caller::Tenant { tenant, role: Role::Admin, key: None })
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, TableError> {
        let now = self.clock.now();
        if let Some(key) = self.cache.get(&id, now) {
            return Ok(Some(key));
        }
        let Some(key) = self.keys.get(id).await?.map(Arc::new) else { return Ok(None) };
        self.cache.insert(id, Arc::clone(&key), now);
        Ok(Some(key))
    }
}

impl Caller {
    /// The tenant on whose behalf a permission is used.
    ///
    /// # Errors
    /// When the caller has no tenant or its role does not suffice.
    pub fn tenant_with(&self, permission: Permission) -> Result<&TenantId, AuthError> {
        match self {
            Self::Platform => Err(AuthError::TenantMissing),
            Self::Tenant { role, .. } if !role.may(permission) => Err(AuthError::Role { role: *role }),
            Self::Tenant { tenant, .. } => Ok(tenant),
        }
    }

    /// Lets only the platform's operator pass.
    ///
    /// # Errors
    /// When the caller is somebody else.
    pub fn require_platform(&self) -> Result<(), AuthError> {
        match self {
            Self::Platform | Self::Tenant { key: None, .. } => Ok(()),
            Self::Tenant { .. } => Err(AuthError::PlatformOnly),
        }
    }

    /// Who this is, for the record of who did what.
    pub fn name(&self) -> String {
        match self {
            Self::Tenant { key: Some(key), .. } => key.to_string(),
            Self::Platform | Self::Tenant { key: None, .. } => "platform".to_owned(),
        }
    }
}
