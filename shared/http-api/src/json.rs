//! JSON bodies: read within a limit, refused by field, and written.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde::{Deserialize, Serialize};

use crate::problem::{Kind, Problem};
use crate::wire::Object;

/// The largest body of a route that says nothing else: an endpoint with all its subscriptions fits, and
/// what is kept of it stays below the 400 KB of a DynamoDB item.
pub(crate) const MAX_BODY_BYTES: usize = 128 * 1024;

/// How much of a message about a body is shown.
const SHOWN_CHARACTERS: usize = 300;

/// The bytes of a JSON body of at most `LIMIT` bytes. What is read from them may borrow from them.
pub(crate) struct JsonBody<const LIMIT: usize = MAX_BODY_BYTES>(pub(crate) Bytes);

impl<const LIMIT: usize> JsonBody<LIMIT> {
    /// Reads the body as what it should be.
    pub(crate) fn read<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        read(&self.0)
    }
}

impl<S: Sync, const LIMIT: usize> FromRequest<S> for JsonBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if announced(&parts.headers).is_some_and(|length| length > LIMIT) {
            return Err(Problem::too_large(LIMIT));
        }
        let bytes = collect(body, LIMIT).await?;
        if !bytes.is_empty() && !is_json(&parts.headers) {
            let detail = "send the body as JSON, with the header 'Content-Type: application/json'";
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        Ok(Self(bytes))
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let too_large =
            std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>());
        if too_large {
            Problem::too_large(limit)
        } else {
            Problem::new(Kind::BadRequest, "the body broke off before its end")
        }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

/// Reads a JSON object. Only what is refused is read once more, to find the field at fault.
pub(crate) fn read<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, Problem> {
    let object: Result<Object<T>, _> = serde_json::from_slice(text);
    object.map(|Object(value)| value).map_err(|error| explain::<Object<T>>(text, &error))
}

fn explain<'t, T: Deserialize<'t>>(text: &'t [u8], error: &serde_json::Error) -> Problem {
    let kind = if error.is_data() { Kind::BadRequest } else { Kind::MalformedJson };
    let problem = Problem::new(kind, clip(&error.to_string()));
    let mut reader = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) if error.path().iter().next().is_some() => problem.at(clip(&error.path().to_string())),
        _ => problem,
    }
}

/// The text, cut where it is too long to show.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

/// An answer in JSON.
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let json = HeaderValue::from_static("application/json");
            (status, [(CONTENT_TYPE, json)], body).into_response()
        }
        Err(error) => {
            tracing::error!(error = %error, "an answer cannot be written");
            Problem::internal().into_response()
        }
    }
}
