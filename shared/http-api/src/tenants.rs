//! Tenants: created and shown by the platform's operator.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use postrider_application::ports::TableError;
use postrider_domain::TenantId;

use crate::auth::Operator;
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::{Kind, Problem};
use crate::services::ManageServices;
use crate::wire::tenant::{TenantBody, TenantInput};

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/tenants", get(list).post(create)).route("/v1/tenants/{id}", get(show))
}

async fn create(
    State(services): State<Arc<ManageServices>>,
    _: Operator,
    body: JsonBody,
) -> Result<Response, Problem> {
    let tenant = body.read::<TenantInput>()?.creation(services.clock.now())?;
    match services.tenants.create(&tenant).await {
        Ok(()) => Ok(answer(StatusCode::CREATED, &TenantBody::new(&tenant))),
        Err(TableError::ConditionFailed { .. }) => {
            Err(Problem::new(Kind::Conflict, format!("there is a tenant {}", tenant.id)).at("id"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn list(
    State(services): State<Arc<ManageServices>>,
    _: Operator,
    params: Params,
) -> Result<Response, Problem> {
    let tenants = services.tenants.list(params.page::<TenantId>()?).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&tenants, TenantBody::new)))
}

async fn show(
    State(services): State<Arc<ManageServices>>,
    _: Operator,
    PathId(id): PathId<TenantId>,
) -> Result<Response, Problem> {
    let tenant = services.tenants.get(&id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &TenantBody::new(&tenant)))
}
