//! Dead letters: listed, shown, redriven, resolved and discarded; and messages of which nobody knows whose they are.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_application::redeliver::{RedeliverError, Settlement};
use postrider_application::stores::dead_letters::{DeadLetterFilter, DeadLetterState};
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeadLetterId, EndpointId, EventType, Timestamp};

use crate::auth::{Administer, May, Operator, Read};
use crate::json::{JsonBody, answer};
use crate::page::PageBody;
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::replay::carry_out;
use crate::services::{ManageServices, QueryServices};
use crate::wire::dead_letter::{DeadLetterBody, DeadLetterDetails, UnreadableBody};
use crate::wire::redrive::{NoteInput, RedriveInput, RedriveOrder, SettleInput, SettledBody};

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new()
        .route("/v1/dead-letters", get(list))
        .route("/v1/dead-letters/{id}", get(show))
        .route("/v1/platform/dead-letters", get(list_unreadable))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new()
        .route("/v1/dead-letters/redrive", post(redrive_many))
        .route("/v1/dead-letters/resolve", post(resolve_many))
        .route("/v1/dead-letters/discard", post(discard_many))
        .route("/v1/dead-letters/{id}/redrive", post(redrive))
        .route("/v1/dead-letters/{id}/resolve", post(resolve))
        .route("/v1/dead-letters/{id}/discard", post(discard))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = DeadLetterFilter {
        state: params.take("state", DeadLetterState::from_str)?,
        endpoint: params.take("endpoint_id", EndpointId::from_str)?,
        event_type: params.take("event_type", EventType::from_str)?,
        reason: params.take("reason", FailureReason::from_str)?,
        since: params.take("since", Timestamp::parse)?,
        until: params.take("until", Timestamp::parse)?,
        or_of_job: None,
    };
    let page = params.page::<DeadLetterId>()?;
    let letters = services.dead_letters.list(&may.tenant, &filter, page).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&letters, DeadLetterBody::new)))
}

async fn show(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<DeadLetterId>,
) -> Result<Response, Problem> {
    let letter = services.dead_letters.get(&may.tenant, id).await?.ok_or_else(Problem::not_found)?;
    let delivery = match letter.delivery {
        Some(delivery) => services.lookup.delivery(&may.tenant, delivery).await?,
        None => None,
    };
    // What a tenant has sent is for its own keys only.
    let is_own_key = may.caller.require_platform().is_err();
    Ok(answer(StatusCode::OK, &DeadLetterDetails::new(&letter, delivery.as_ref(), is_own_key)))
}

async fn list_unreadable(
    State(services): State<Arc<QueryServices>>,
    _: Operator,
    params: Params,
) -> Result<Response, Problem> {
    let messages = services.unreadable.list(params.page::<DeadLetterId>()?).await?;
    Ok(answer(StatusCode::OK, &PageBody::new(&messages, UnreadableBody::new)))
}

async fn redrive_many(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    match body.read::<RedriveInput>()?.order()? {
        RedriveOrder::These(input) => settle_all(&services, &may, input, Settlement::Redrive).await,
        RedriveOrder::Job(order) => carry_out(&services, &may, order).await,
    }
}

async fn resolve_many(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    settle_all(&services, &may, body.read()?, Settlement::Resolve).await
}

async fn discard_many(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    settle_all(&services, &may, body.read()?, Settlement::Discard).await
}

async fn settle_all(
    services: &ManageServices,
    may: &May<Administer>,
    input: SettleInput,
    settlement: Settlement,
) -> Result<Response, Problem> {
    let (ids, note) = input.read()?;
    let by = may.caller.name();
    let settled = services.redeliver.settle_all(&may.tenant, ids, settlement, &by, note.as_deref()).await;
    let results = settled.into_iter().map(|(id, result)| (id, result.err().map(reason)));
    Ok(answer(StatusCode::OK, &SettledBody::new(settlement, results.collect())))
}

/// Why nothing was done about a dead letter, in words for the caller.
fn reason(error: RedeliverError) -> String {
    match error {
        RedeliverError::UnknownDeadLetter(_) | RedeliverError::UnknownDelivery(_) => error.to_string(),
        error => Problem::from(error).detail().to_owned(),
    }
}

async fn redrive(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<DeadLetterId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    settle(&services, &may, id, &body, Settlement::Redrive).await
}

async fn resolve(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<DeadLetterId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    settle(&services, &may, id, &body, Settlement::Resolve).await
}

async fn discard(
    State(services): State<Arc<ManageServices>>,
    may: May<Administer>,
    PathId(id): PathId<DeadLetterId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    settle(&services, &may, id, &body, Settlement::Discard).await
}

async fn settle(
    services: &ManageServices,
    may: &May<Administer>,
    id: DeadLetterId,
    body: &JsonBody,
    settlement: Settlement,
) -> Result<Response, Problem> {
    let note = body.read_or_default::<NoteInput>()?.read()?;
    let by = may.caller.name();
    let letter = services.redeliver.settle(&may.tenant, id, settlement, &by, note.as_deref()).await?;
    let status = if settlement == Settlement::Redrive { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(answer(status, &DeadLetterBody::new(&letter)))
}
