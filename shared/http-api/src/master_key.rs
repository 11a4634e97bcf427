//! The master key: the platform's operator has everything sealed again after setting another one.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::auth::Operator;
use crate::json::answer;
use crate::problem::Problem;
use crate::services::ManageServices;
use crate::wire::master_key::MasterKeyBody;

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/master-key/reseal", get(show).post(start))
}

async fn start(State(services): State<Arc<ManageServices>>, _: Operator) -> Result<Response, Problem> {
    let status = services.reseal.start().await?;
    Ok(answer(StatusCode::ACCEPTED, &MasterKeyBody::new(&status, services.clock.now())))
}

async fn show(State(services): State<Arc<ManageServices>>, _: Operator) -> Result<Response, Problem> {
    let status = services.reseal.status().await?;
    Ok(answer(StatusCode::OK, &MasterKeyBody::new(&status, services.clock.now())))
}
