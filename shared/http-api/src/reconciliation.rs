//! What became of a tenant's events, hour by hour.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use postrider_application::stores::reconciliations::HourFilter;
use postrider_domain::reconciliation::ReconciliationState;
use postrider_domain::{Hour, Timestamp};

use crate::auth::{May, Read};
use crate::json::answer;
use crate::page::PageBody;
use crate::params::Params;
use crate::problem::Problem;
use crate::services::QueryServices;
use crate::wire::reconciliation::HourBody;

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new().route("/v1/reconciliation", get(list))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = HourFilter {
        from: params.take("since", Timestamp::parse)?.map(Hour::first_from),
        before: params.take("until", Timestamp::parse)?.map(Hour::first_from),
        state: params.take("state", ReconciliationState::from_str)?,
    };
    let page = params.page::<Hour>()?;
    let hours = services.lookup.reconciliations(&may.tenant, &filter, page).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&hours, HourBody::new)))
}
