//! The keys that endpoints sign with: shown, replaced, and their public halves published.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use postrider_domain::{EndpointId, TenantId};

use crate::auth::{Administer, May, Read};
use crate::json::{JsonBody, answer};
use crate::params::PathId;
use crate::problem::{Kind, Problem};
use crate::services::{ManageServices, QueryServices};
use crate::wire::signing::{JwksBody, KeyBody, KeysBody, RotateInput};

/// For how long anybody may keep the published keys: a fraction of the overlap of a usual rotation.
const PUBLISHED_FOR: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// RFC 7517, section 8.5.2.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new()
        .route("/v1/endpoints/{id}/jwks", get(jwks))
        .route("/.well-known/postrider/{tenant}/{endpoint}/jwks.json", get(published))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/endpoints/{id}/secret", get(show))
        .route("/v1/endpoints/{id}/secret/rotate", post(rotate))
}

async fn show(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let keys = services.manage.keys(&may.tenant, id).await?;
    Ok(answer(StatusCode::OK, &KeysBody::new(&keys)))
}

async fn rotate(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let input = if body.0.is_empty() { RotateInput::default() } else { body.read()? };
    let rotated = services.manage.rotate(&may.tenant, id, input.rotation()?).await?;
    Ok(answer(StatusCode::OK, &KeyBody::rotated(&rotated)))
}

async fn jwks(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let record = services.endpoints.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(key_set(&JwksBody::new(&record.public_keys, services.clock.now())))
}

/// For receivers, which have no API key. An endpoint without public keys is like one that is not there.
async fn published(
    State(services): State<Arc<QueryServices>>,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let nothing = || Problem::new(Kind::NotFound, "there are no public keys here");
    let Path((tenant, endpoint)) = ids.map_err(|_| nothing())?;
    let ids = tenant.parse::<TenantId>().ok().zip(endpoint.parse::<EndpointId>().ok());
    let (tenant, endpoint) = ids.ok_or_else(nothing)?;
    let record = services.endpoints.get(&tenant, endpoint).await?.ok_or_else(nothing)?;
    let keys = JwksBody::new(&record.public_keys, services.clock.now());
    if keys.is_empty() {
        return Err(nothing());
    }
    let mut response = key_set(&keys);
    response.headers_mut().insert(CACHE_CONTROL, PUBLISHED_FOR);
    Ok(response)
}

fn key_set(keys: &JwksBody) -> Response {
    let mut response = answer(StatusCode::OK, keys);
    response.headers_mut().insert(CONTENT_TYPE, JWK_SET);
    response
}
