//! Deliveries: listed, shown with their attempts, attempted again and called off.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_application::query::DeliveryQuery;
use postrider_application::stores::delivery_lists::DeliveryFilter;
use postrider_domain::{DeliveryId, DeliveryStatus, EndpointId, EventId, EventType, TenantId, Timestamp};

use crate::auth::{Administer, May, Read};
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::services::{ManageServices, QueryServices};
use crate::wire::delivery::{DeliveryBody, DeliverySummary, RetryInput};
use crate::wire::redrive::NoteInput;

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new()
        .route("/v1/deliveries", get(list))
        .route("/v1/deliveries/{id}", get(show))
        .route("/v1/endpoints/{id}/deliveries", get(list_of_endpoint))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/deliveries/{id}/retry", post(retry))
        .route("/v1/deliveries/{id}/cancel", post(cancel))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    mut params: Params,
) -> Result<Response, Problem> {
    let endpoint = params.take("endpoint_id", EndpointId::from_str)?;
    answer_list(&services, &may.tenant, endpoint, params).await
}

async fn list_of_endpoint(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EndpointId>,
    params: Params,
) -> Result<Response, Problem> {
    services.endpoints.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    answer_list(&services, &may.tenant, Some(id), params).await
}

async fn answer_list(
    services: &QueryServices,
    tenant: &TenantId,
    endpoint: Option<EndpointId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let query = DeliveryQuery {
        endpoint,
        event: params.take("event_id", EventId::from_str)?,
        filter: DeliveryFilter {
            status: params.take("status", DeliveryStatus::from_str)?,
            event_type: params.take("event_type", EventType::from_str)?,
            since: params.take("since", Timestamp::parse)?,
            until: params.take("until", Timestamp::parse)?,
        },
    };
    let page = params.page::<DeliveryId>()?;
    let deliveries = services.lookup.deliveries(tenant, &query, page).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&deliveries, DeliverySummary::new)))
}

async fn show(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<DeliveryId>,
) -> Result<Response, Problem> {
    let delivery = services.lookup.delivery(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &DeliveryBody::new(&delivery)))
}

async fn retry(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<DeliveryId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let by = may.caller.name();
    let delivery = match body.read_or_default::<RetryInput>()?.read()? {
        None => services.redeliver.retry(&may.tenant, id, &by).await?,
        Some(to) => services.redeliver.retry_to(&may.tenant, id, to, &by).await?,
    };
    Ok(answer(StatusCode::ACCEPTED, &DeliverySummary::new(&delivery)))
}

async fn cancel(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<DeliveryId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let note = body.read_or_default::<NoteInput>()?.read()?;
    let delivery = services.redeliver.cancel(&may.tenant, id, &may.caller.name(), note.as_deref()).await?;
    Ok(answer(StatusCode::OK, &DeliverySummary::new(&delivery)))
}
