//! Whether the program answers.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::json::answer;

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
}

pub(crate) fn routes() -> Router {
    Router::new().route("/health", get(health))
}

async fn health() -> Response {
    answer(StatusCode::OK, &HealthBody { status: "ok" })
}
