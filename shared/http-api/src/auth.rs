//! Who is calling, and whether they may: as extractors, so that a route says in its signature what it takes.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use postrider_application::access::{Authenticator, Caller, Permission};
use postrider_domain::TenantId;

use crate::problem::Problem;
use crate::services::{IngestServices, ManageServices, QueryServices};

/// The header by which the platform's operator names the tenant to act for.
pub(crate) const TENANT_HEADER: &str = "Postrider-Tenant";

/// The address that a request came from. Whoever serves a router puts it into the request's extensions:
/// without it, keys that are bound to addresses are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A state that can tell who is calling.
pub(crate) trait Authenticates: Send + Sync {
    fn authenticator(&self) -> &Authenticator;
}

impl Authenticates for Arc<IngestServices> {
    fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }
}

impl Authenticates for Arc<QueryServices> {
    fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }
}

impl Authenticates for Arc<ManageServices> {
    fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }
}

/// A permission as a type.
pub(crate) trait Grant {
    const PERMISSION: Permission;
}

/// To read everything but secrets.
pub(crate) struct Read;

/// To publish events.
pub(crate) struct Publish;

/// To change endpoints and keys, read secrets and deliver again.
pub(crate) struct Administer;

impl Grant for Read {
    const PERMISSION: Permission = Permission::Read;
}

impl Grant for Publish {
    const PERMISSION: Permission = Permission::Publish;
}

impl Grant for Administer {
    const PERMISSION: Permission = Permission::Administer;
}

/// A caller who may use a permission on behalf of a tenant.
pub(crate) struct May<P> {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// Who it is, for the record of who did what.
    pub(crate) caller: Caller,
    permission: PhantomData<P>,
}

impl<S: Authenticates, P: Grant> FromRequestParts<S> for May<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &S) -> Result<Self, Problem> {
        let caller = caller(parts, services.authenticator()).await?;
        let tenant = caller.tenant_with(P::PERMISSION)?.clone();
        Ok(Self { tenant, caller, permission: PhantomData })
    }
}

/// The platform's operator.
pub(crate) struct Operator;

impl<S: Authenticates> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &S) -> Result<Self, Problem> {
        caller(parts, services.authenticator()).await?.require_platform()?;
        Ok(Self)
    }
}

async fn caller(parts: &Parts, authenticator: &Authenticator) -> Result<Caller, Problem> {
    let acting_for = match parts.headers.get(TENANT_HEADER) {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| Problem::header(TENANT_HEADER, "not readable"))?),
    };
    // An IPv4 client of a socket that serves both families has an IPv6 address, in which networks do not find it.
    let address = parts.extensions.get::<ClientAddress>().map(|address| address.0.to_canonical());
    Ok(authenticator.authenticate(bearer(&parts.headers), acting_for, address).await?)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
