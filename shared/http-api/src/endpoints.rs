//! Endpoints: created, shown, changed, tested and removed.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use postrider_domain::EndpointId;

use crate::auth::{Administer, May, Read};
use crate::events::MAX_EVENT_BODY_BYTES;
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::services::{ManageServices, QueryServices};
use crate::wire::endpoint::{EndpointBody, EndpointInput};
use crate::wire::publish::{TestBody, TestInput};

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new().route("/v1/endpoints", get(list)).route("/v1/endpoints/{id}", get(show))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/endpoints", post(create))
        .route("/v1/endpoints/{id}", axum::routing::patch(update).delete(remove))
        .route("/v1/endpoints/{id}/test", post(test))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    params: Params,
) -> Result<Response, Problem> {
    let page = params.page::<EndpointId>()?;
    let endpoints = services.endpoints.list(&may.tenant, page).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&endpoints, EndpointBody::new)))
}

async fn show(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let record = services.endpoints.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &EndpointBody::new(&record)))
}

async fn create(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let new = body.read::<EndpointInput>()?.creation()?;
    let (record, keys) = services.manage.create(&may.tenant, new).await?;
    Ok(answer(StatusCode::CREATED, &EndpointBody::with_keys(&record, &keys)))
}

async fn update(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let changes = body.read::<EndpointInput>()?.changes()?;
    let goes_elsewhere = changes.config.is_some();
    if changes.in_order == Some(false) {
        services.status.end_line(&may.tenant, id).await?;
    }
    let record = services.manage.update(&may.tenant, id, changes).await?;
    if goes_elsewhere {
        services.status.breaker().forgive(&may.tenant, id).await?;
    }
    Ok(answer(StatusCode::OK, &EndpointBody::new(&record)))
}

async fn remove(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    services.manage.delete(&may.tenant, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn test(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody<MAX_EVENT_BODY_BYTES>,
) -> Result<Response, Problem> {
    let publication = body.read_or_default::<TestInput>()?.publication(id)?;
    services.endpoints.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    let accepted = services.ingest.accept_test(&may.tenant, publication).await?;
    Ok(answer(StatusCode::ACCEPTED, &TestBody::new(accepted, id)))
}
