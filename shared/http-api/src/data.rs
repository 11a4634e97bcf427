//! The data of an event by itself: for those with an API key, and for receivers with a link to it.
//!
//! What the store of large payloads can serve by itself is redirected there: the answer of a Lambda function has at
//! most 6 MB, with every quote in it escaped.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use postrider_application::links::{FoundData, Opened};
use postrider_domain::EventId;

use crate::auth::{May, Read};
use crate::params::{Link, PathId};
use crate::problem::Problem;
use crate::services::QueryServices;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn reading() -> Router<Arc<QueryServices>> {
    Router::new()
        .route("/v1/events/{id}/data", get(of_event))
        .route("/d/{token}", get(of_link).head(look_at_link))
}

async fn of_event(
    State(services): State<Arc<QueryServices>>,
    may: May<Read>,
    PathId(id): PathId<EventId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = services.data.of_event(&may.tenant, &id).await?.ok_or_else(Problem::not_found)?;
    serve(&services, &found, &headers).await
}

/// For receivers, which have no API key.
async fn of_link(
    State(services): State<Arc<QueryServices>>,
    link: Link,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = services.data.of_link(&link.token, &link.signature).await?;
    serve(&services, &found, &headers).await
}

/// What following the link would bring, without reading it: a redirect to the store would be good for GET only.
async fn look_at_link(State(services): State<Arc<QueryServices>>, link: Link) -> Result<Response, Problem> {
    let found = services.data.of_link(&link.token, &link.signature).await?;
    let about = [(ETAG, tag(&found)), (CONTENT_TYPE, JSON), (CONTENT_LENGTH, found.bytes().into())];
    Ok((StatusCode::OK, about).into_response())
}

async fn serve(
    services: &QueryServices,
    found: &FoundData,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|known| known.trim() == tag(found)) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag(found))]).into_response());
    }
    Ok(match services.data.open(found).await? {
        Opened::Here(data) => ([(ETAG, tag(found)), (CONTENT_TYPE, JSON)], data).into_response(),
        Opened::At(link) => {
            let location = HeaderValue::try_from(link).map_err(|error| Problem::defect(&error))?;
            // Without a tag: that of the store is another one.
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
        }
    })
}

/// The data's entity tag (RFC 9110, section 8.8.3): data is never changed under an event's id.
fn tag(found: &FoundData) -> HeaderValue {
    // A digest is written in hexadecimal digits.
    HeaderValue::try_from(format!("\"{}\"", found.tag)).unwrap_or(HeaderValue::from_static("\"\""))
}
