//! API keys: made, listed and removed by a tenant's administrators.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use postrider_domain::KeyId;

use crate::auth::{Administer, May};
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::services::ManageServices;
use crate::wire::key::{KeyBody, KeyInput};

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/keys", get(list).post(create)).route("/v1/keys/{id}", delete(remove))
}

async fn create(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let new = body.read::<KeyInput>()?.creation(services.clock.now())?;
    let (key, text) = services.keys.create(&may.tenant, new).await?;
    Ok(answer(StatusCode::CREATED, &KeyBody::with_text(&key, &text)))
}

async fn list(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    params: Params,
) -> Result<Response, Problem> {
    let keys = services.keys.list(&may.tenant, params.page::<KeyId>()?).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&keys, KeyBody::new)))
}

async fn remove(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<KeyId>,
) -> Result<Response, Problem> {
    if !services.keys.delete(&may.tenant, id).await? {
        return Err(Problem::not_found());
    }
    services.authenticator.forget(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
