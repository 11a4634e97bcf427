//! Dead letters: listed and redriven.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_application::redeliver::RedeliverError;
use postrider_application::stores::dead_letters::{DeadLetterFilter, DeadLetterState};
use postrider_domain::{DeadLetterId, EndpointId};

use crate::auth::{Administer, May, Read};
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::Params;
use crate::problem::Problem;
use crate::services::{ManageServices, QueryServices};
use crate::wire::dead_letter::{DeadLetterBody, RedriveBody, RedriveInput, RedriveItem};

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new().route("/v1/dead-letters", get(list))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/dead-letters/redrive", post(redrive))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = DeadLetterFilter {
        state: params.take("state", DeadLetterState::from_str)?,
        endpoint: params.take("endpoint_id", EndpointId::from_str)?,
    };
    let page = params.page::<DeadLetterId>()?;
    let letters = services.dead_letters.list(&may.tenant, &filter, page).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&letters, DeadLetterBody::new)))
}

async fn redrive(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (selection, note) = body.read::<RedriveInput>()?.selection()?;
    let by = may.caller.name();
    let done = services.redeliver.redrive(&may.tenant, selection, &by, note.as_deref()).await?;
    let items = done.letters.into_iter();
    let items: Vec<_> = items.map(|(id, result)| (id, result.err().map(reason))).collect();
    let redriven = items.iter().filter(|(_, error)| error.is_none()).count();
    let items = items.into_iter().map(|(id, error)| RedriveItem::new(id, error)).collect();
    Ok(answer(StatusCode::OK, &RedriveBody { items, redriven }))
}

/// Why a dead letter was not redriven, in words for the caller.
fn reason(error: RedeliverError) -> String {
    match error {
        RedeliverError::UnknownDeadLetter(_) | RedeliverError::UnknownDelivery(_) => error.to_string(),
        error => Problem::from(error).detail().to_owned(),
    }
}
