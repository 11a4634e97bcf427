//! Jobs: listed, shown with their progress, called off and resumed.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_domain::JobId;

use crate::auth::{Administer, May, Read};
use crate::json::answer;
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::services::{ManageServices, QueryServices};
use crate::wire::job::JobBody;

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new().route("/v1/jobs", get(list)).route("/v1/jobs/{id}", get(show))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/jobs/{id}/cancel", post(cancel)).route("/v1/jobs/{id}/resume", post(resume))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    params: Params,
) -> Result<Response, Problem> {
    let jobs = services.jobs.list(&may.tenant, params.page::<JobId>()?).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&jobs, JobBody::new)))
}

async fn show(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<JobId>,
) -> Result<Response, Problem> {
    let job = services.jobs.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &JobBody::new(&job)))
}

async fn cancel(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<JobId>,
) -> Result<Response, Problem> {
    let job = services.jobs.cancel(&may.tenant, id).await?;
    Ok(answer(StatusCode::OK, &JobBody::new(&job)))
}

async fn resume(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<JobId>,
) -> Result<Response, Problem> {
    let job = services.jobs.resume(&may.tenant, id).await?;
    Ok(answer(StatusCode::ACCEPTED, &JobBody::new(&job)))
}
