//! How an endpoint is doing: its circuit, which can be changed by hand, and the deliveries that are parked for it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_application::endpoints::ParkedChoice;
use postrider_domain::{EndpointId, EndpointStatus};

use crate::auth::{Administer, May, Read};
use crate::json::{JsonBody, answer};
use crate::params::PathId;
use crate::problem::Problem;
use crate::services::{ManageServices, QueryServices};
use crate::wire::endpoint::EndpointBody;
use crate::wire::health::{CircuitBody, CircuitChange, CircuitInput, HealthBody};
use crate::wire::parked::{DecisionBody, ParkedBody, ParkedInput};

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new()
        .route("/v1/endpoints/{id}/health", get(health))
        .route("/v1/endpoints/{id}/parked", get(parked))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/endpoints/{id}/enable", post(activate))
        .route("/v1/endpoints/{id}/resume", post(activate))
        .route("/v1/endpoints/{id}/pause", post(pause))
        .route("/v1/endpoints/{id}/disable", post(disable))
        .route("/v1/endpoints/{id}/parked", post(decide))
        .route("/v1/endpoints/{id}/circuit", post(change_circuit))
}

async fn health(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let health = services.lookup.health(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &HealthBody::new(&health)))
}

async fn parked(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let parked = services.lookup.parked(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &ParkedBody::new(&parked)))
}

async fn activate(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let input = if body.0.is_empty() { ParkedInput::default() } else { body.read()? };
    let choice = input.choice()?.unwrap_or_default();
    let record = services.status.activate(&may.tenant, id, choice, &may.caller.name()).await?;
    Ok(answer(StatusCode::OK, &EndpointBody::new(&record)))
}

async fn pause(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let record = services.status.set(&may.tenant, id, EndpointStatus::Paused).await?;
    Ok(answer(StatusCode::OK, &EndpointBody::new(&record)))
}

async fn disable(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
) -> Result<Response, Problem> {
    let record = services.status.set(&may.tenant, id, EndpointStatus::Disabled).await?;
    Ok(answer(StatusCode::OK, &EndpointBody::new(&record)))
}

async fn decide(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let choice: ParkedChoice = body.read::<ParkedInput>()?.required()?;
    services.status.decide_parked(&may.tenant, id, choice, &may.caller.name()).await?;
    Ok(answer(StatusCode::ACCEPTED, &DecisionBody::new(choice)))
}

async fn change_circuit(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let breaker = services.status.breaker();
    let circuit = match body.read::<CircuitInput>()?.change()? {
        CircuitChange::Open(wait) => breaker.open(&may.tenant, id, wait, &may.caller.name()).await?,
        CircuitChange::Close => breaker.close(&may.tenant, id).await?,
    };
    Ok(answer(StatusCode::OK, &CircuitBody::new(&circuit)))
}
