//! Tenants: created, changed and shown by the platform's operator.

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
use crate::wire::tenant::{TenantBody, TenantChanges, TenantInput};

/// How often a change is tried again when others change the tenant at the same time.
const TRIES: usize = 5;

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/tenants", get(list).post(create))
        .route("/v1/tenants/{id}", get(show).patch(update))
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

async fn update(
    State(services): State<Arc<ManageServices>>,
    _: Operator,
    PathId(id): PathId<TenantId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    for _ in 0..TRIES {
        let before = services.tenants.get(&id).await?.ok_or_else(Problem::not_found)?;
        let changed = body.read::<TenantChanges>()?.apply(&before)?;
        match services.tenants.replace(&changed).await {
            Ok(tenant) => return Ok(answer(StatusCode::OK, &TenantBody::new(&tenant))),
            Err(TableError::ConditionFailed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::new(Kind::Conflict, format!("the tenant {id} kept changing; try again")))
}
