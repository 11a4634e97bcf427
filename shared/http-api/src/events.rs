//! Events: published, listed, and looked up with what became of them.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use postrider_application::stores::event_lists::EventFilter;
use postrider_domain::event::MAX_DATA_BYTES;
use postrider_domain::{EventId, EventType, Timestamp};
use tokio::task::yield_now;

use crate::auth::{May, Publish, Read};
use crate::json::{JsonBody, answer, read};
use crate::page::{EventPlace, PageBody};
use crate::params::{Params, PathId};
use crate::problem::Problem;
use crate::services::{IngestServices, ManageServices, QueryServices};
use crate::wire::batch::{BatchBody, BatchInput, BatchItem, MAX_BATCH};
use crate::wire::event::{EventBody, EventSummary};
use crate::wire::publish::{AcceptedBody, EventInput};

/// The largest body with one event: its data and room for everything around it. A request to Lambda has 6 MB
/// (6,291,456 bytes) with this body as a JSON text in it, so that there each `"`, `\\` and line break counts twice.
pub(crate) const MAX_EVENT_BODY_BYTES: usize = MAX_DATA_BYTES + 64 * 1024;

/// The largest body with several events: below Lambda's limit for a request, 6 MB.
const MAX_BATCH_BODY_BYTES: usize = 5 * 1024 * 1024;

/// How many events of a batch are read before others may go on.
const PAUSE_AFTER: usize = 10;

pub(crate) fn publishing() -> Router<Arc<IngestServices>> {
    Router::new().route("/v1/events", post(publish)).route("/v1/events/batch", post(publish_batch))
}

pub(crate) fn managing() -> Router<Arc<ManageServices>> {
    Router::new().route("/v1/events/{id}/cancel", post(cancel))
}

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new().route("/v1/events", get(list)).route("/v1/events/{id}", get(show))
}

async fn publish(
    State(services): State<Arc<IngestServices>>,
    may: May<Publish>,
    body: JsonBody<MAX_EVENT_BODY_BYTES>,
) -> Result<Response, Problem> {
    let _share = services.ingest.share(&may.tenant, 1).await;
    let publication = body.read::<EventInput<'_>>()?.publication()?;
    let accepted = services.ingest.accept(&may.tenant, publication).await?;
    let status = if accepted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer(status, &AcceptedBody::from(accepted)))
}

async fn publish_batch(
    State(services): State<Arc<IngestServices>>,
    may: May<Publish>,
    body: JsonBody<MAX_BATCH_BODY_BYTES>,
) -> Result<Response, Problem> {
    let _share = services.ingest.share(&may.tenant, MAX_BATCH).await;
    let (mut places, mut publications, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for (index, text) in body.read::<BatchInput<'_>>()?.events()?.into_iter().enumerate() {
        if index > 0 && index % PAUSE_AFTER == 0 {
            yield_now().await;
        }
        let event = read::<EventInput<'_>>(text.get().as_bytes());
        match event.and_then(|event| Ok(event.publication()?)) {
            Ok(publication) => {
                places.push(index);
                publications.push(publication);
            }
            Err(problem) => items.push((index, Err(problem))),
        }
    }
    let accepted = services.ingest.accept_batch(&may.tenant, publications).await;
    items.extend(places.into_iter().zip(accepted.into_iter().map(|result| result.map_err(Problem::from))));
    items.sort_by_key(|(index, _)| *index);
    let items = items.into_iter().map(|(index, result)| BatchItem::new(index, result)).collect();
    Ok(answer(StatusCode::OK, &BatchBody { items }))
}

async fn list(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = EventFilter {
        event_type: params.take("type", EventType::from_str)?,
        since: params.take("since", Timestamp::parse)?,
        until: params.take("until", Timestamp::parse)?,
    };
    let page = params.page::<EventPlace>()?;
    let events = services.lookup.events(&may.tenant, &filter, page).await?;
    Ok(answer(
        StatusCode::OK,
        &PageBody::new(&events, |stored| EventSummary::new(&stored.event, stored.schedule.as_ref())),
    ))
}

async fn show(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EventId>,
) -> Result<Response, Problem> {
    let explained = services.lookup.event(&may.tenant, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &EventBody::new(&explained).map_err(|error| Problem::defect(&error))?))
}

async fn cancel(
    State(services): State<Arc<ManageServices>>,
    may: May<Publish>,
    PathId(id): PathId<EventId>,
) -> Result<Response, Problem> {
    let stored = services.cancel.cancel(&may.tenant, &id).await?;
    Ok(answer(StatusCode::OK, &EventSummary::new(&stored.event, stored.schedule.as_ref())))
}
