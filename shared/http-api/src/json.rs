//! JSON bodies: read within a limit, refused by field, and written.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::problem::{Kind, Problem};
use crate::wire::Object;

/// The largest body of a route that says nothing else: an endpoint with all its subscriptions fits, and
/// what is kept of it stays below the 400 KB of a DynamoDB item.
pub(crate) const MAX_BODY_BYTES: usize = 128 * 1024;

/// How much of a message about a body is shown.
const SHOWN_CHARACTERS: usize = 300;

/// How many bytes of a body that is too large are read before the connection is closed.
const DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// The bytes of a JSON body of at most `LIMIT` bytes. What is read from them may borrow from them.
pub(crate) struct JsonBody<const LIMIT: usize = MAX_BODY_BYTES>(pub(crate) Bytes);

impl<const LIMIT: usize> JsonBody<LIMIT> {
    /// Reads the body as what it should be.
    pub(crate) fn read<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        read(&self.0)
    }

    /// The same; no body at all stands for an object without fields.
    pub(crate) fn read_or_default<'b, T: Deserialize<'b> + Default>(&'b self) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(T::default()) } else { self.read() }
    }
}

impl<S: Sync, const LIMIT: usize> FromRequest<S> for JsonBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = collect(body, announced(&parts.headers), LIMIT).await?;
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

/// Reads a body. What is beyond the limit is read too, up to a bound, and thrown away: a connection that is
/// closed while the client still sends would take the answer with it.
async fn collect(body: Body, announced: Option<usize>, limit: usize) -> Result<Bytes, Problem> {
    let too_large = announced.is_some_and(|length| length > limit);
    let (mut first, mut whole) = (Bytes::new(), Vec::new());
    let (mut size, mut chunks) = (0, body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let broken = |_| Problem::new(Kind::BadRequest, "the body broke off before its end");
        let chunk = chunk.map_err(broken)?;
        size += chunk.len();
        if size > DISCARDED_BYTES {
            break;
        }
        if size > limit || too_large {
            continue;
        }
        // Usually all of it comes at once, and is not copied.
        if size == chunk.len() {
            first = chunk;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(size.max(announced.unwrap_or_default()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&chunk);
    }
    if too_large || size > limit {
        return Err(Problem::too_large(limit));
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
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
