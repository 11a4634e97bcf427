//! The routers: the route groups put together, and what holds for every answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures::FutureExt as _;
use futures::future::{CatchUnwind, Map};
use tower::Service;
use tower::layer::layer_fn;

use crate::problem::Problem;
use crate::services::{IngestServices, ManageServices, QueryServices, Services};
use crate::{
    data, dead_letters, deliveries, endpoint_health, endpoints, events, health, jobs, keys, master_key,
    paths, reconciliation, replay, signing, tenants,
};

/// Publishing: `POST /v1/events` and `/v1/events/batch`.
pub fn ingest_router(services: IngestServices) -> Router {
    finish(ingest_routes(services))
}

/// Reading: events, deliveries, endpoints without their secrets, dead letters, jobs, what became of each hour.
pub fn query_router(services: QueryServices) -> Router {
    finish(query_routes(services))
}

/// Administration: changes of endpoints and their secrets, keys, tenants, delivering again.
pub fn manage_router(services: ManageServices) -> Router {
    finish(manage_routes(services))
}

/// The whole API.
pub fn router(services: Services) -> Router {
    let routes = ingest_routes(services.ingest)
        .merge(query_routes(services.query))
        .merge(manage_routes(services.manage));
    finish(routes)
}

fn ingest_routes(services: IngestServices) -> Router {
    events::publishing().with_state(Arc::new(services))
}

fn query_routes(services: QueryServices) -> Router {
    events::reading()
        .merge(data::reading())
        .merge(endpoints::reading())
        .merge(endpoint_health::reading())
        .merge(signing::reading())
        .merge(deliveries::reading())
        .merge(dead_letters::reading())
        .merge(jobs::reading())
        .merge(reconciliation::reading())
        .with_state(Arc::new(services))
}

fn manage_routes(services: ManageServices) -> Router {
    endpoints::managing()
        .merge(endpoint_health::managing())
        .merge(events::managing())
        .merge(signing::managing())
        .merge(deliveries::managing())
        .merge(dead_letters::managing())
        .merge(replay::managing())
        .merge(jobs::managing())
        .merge(keys::managing())
        .merge(tenants::managing())
        .merge(master_key::managing())
        .with_state(Arc::new(services))
}

fn finish(routes: Router) -> Router {
    routes
        .merge(health::routes())
        .fallback(paths::refuse)
        .method_not_allowed_fallback(paths::refuse)
        .layer(layer_fn(EveryAnswer))
}

/// What holds for every answer of a route: a panic is a failure of one request, and nobody guesses what is answered,
/// or keeps it where the route does not say so.
#[derive(Clone)]
struct EveryAnswer(Route);

/// The answer of a route, or what its handler panicked with.
type Answered = Result<Result<Response, Infallible>, Box<dyn Any + Send>>;

impl Service<Request> for EveryAnswer {
    type Response = Response;
    type Error = Infallible;
    type Future = Map<
        CatchUnwind<AssertUnwindSafe<<Route as Service<Request>>::Future>>,
        fn(Answered) -> Result<Response, Infallible>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        AssertUnwindSafe(self.0.call(request)).catch_unwind().map(|answered| {
            let mut response = answered.unwrap_or_else(|_| {
                tracing::error!("a handler panicked");
                Ok(Problem::internal().into_response())
            })?;
            let headers = response.headers_mut();
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            Ok(response)
        })
    }
}
