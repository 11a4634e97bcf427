//! Replays: of an event, and of an endpoint's deliveries in a range of time.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use postrider_domain::{EndpointId, EventId};

use crate::auth::{Administer, May};
use crate::json::{JsonBody, answer};
use crate::params::PathId;
use crate::problem::Problem;
use crate::services::ManageServices;
use crate::wire::job::{EstimateBody, JobBody, JobOrder};
use crate::wire::replay::{ReplayEndpointInput, ReplayEventInput};

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/events/{id}/replay", post(replay_event))
        .route("/v1/endpoints/{id}/replay", post(replay_endpoint))
}

async fn replay_event(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EventId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let order = body.read_or_default::<ReplayEventInput>()?.order(id)?;
    carry_out(&services, &may, order).await
}

async fn replay_endpoint(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    // An endpoint that is not there is the first thing to say.
    services.endpoints.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    let order = body.read::<ReplayEndpointInput>()?.order(id)?;
    carry_out(&services, &may, order).await
}

/// Starts a job, or says how much it would be.
pub(crate) async fn carry_out(
    services: &ManageServices,
    may: &May<Administer>,
    order: JobOrder,
) -> Result<Response, Problem> {
    if order.is_dry_run {
        let estimate = services.jobs.estimate(&may.tenant, &order.request.task).await?;
        return Ok(answer(StatusCode::OK, &EstimateBody::from(estimate)));
    }
    let job = services.jobs.start(&may.tenant, order.request, &may.caller.name()).await?;
    Ok(answer(StatusCode::ACCEPTED, &JobBody::new(&job)))
}
