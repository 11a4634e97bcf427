//! Errors as the API answers them: `application/problem+json` (RFC 9457). What goes wrong on our side is
//! logged here, once, with its causes, and answered without them.

use std::error::Error;

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use postrider_application::access::{AuthError, KeyError};
use postrider_application::cancel_event::CancelError;
use postrider_application::endpoints::{EndpointError, SecretsError};
use postrider_application::ingest::IngestError;
use postrider_application::jobs::ManageJobError;
use postrider_application::links::FollowError;
use postrider_application::ports::{BlobError, QueueError, TableError};
use postrider_application::query::QueryError;
use postrider_application::redeliver::RedeliverError;
use postrider_application::reseal::ResealError;
use postrider_domain::FieldProblem;
use serde::{Serialize, Serializer};

use crate::auth::TENANT_HEADER;

/// The kinds of problem: each its own `type`, title and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body is not JSON.
    MalformedJson,
    /// A field, parameter or header is unknown, or not of the type that it should have.
    BadRequest,
    /// Fields are well-formed, but their values are not accepted.
    Validation,
    Unauthorized,
    Forbidden,
    /// There is no such thing, or not for this caller: the two are never told apart.
    NotFound,
    /// There was such a thing, and there will be none again.
    Gone,
    MethodNotAllowed,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    Unavailable,
}

impl Kind {
    const fn describe(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::MalformedJson => {
                ("/problems/malformed-json", "The body is not JSON", StatusCode::BAD_REQUEST)
            }
            Self::BadRequest => {
                ("/problems/bad-request", "The request cannot be read", StatusCode::BAD_REQUEST)
            }
            Self::Validation => ("/problems/validation", "Invalid values", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Unauthorized => ("/problems/unauthorized", "No valid API key", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("/problems/forbidden", "Not allowed", StatusCode::FORBIDDEN),
            Self::NotFound => ("/problems/not-found", "Not found", StatusCode::NOT_FOUND),
            Self::Gone => ("/problems/gone", "Gone", StatusCode::GONE),
            Self::MethodNotAllowed => {
                ("/problems/method-not-allowed", "Method not allowed", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::Conflict => ("/problems/conflict", "Conflict", StatusCode::CONFLICT),
            Self::TooLarge => ("/problems/too-large", "Too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => (
                "/problems/unsupported-media-type",
                "Unsupported content type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::RateLimited => {
                ("/problems/rate-limited", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Internal => ("/problems/internal", "Internal error", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => {
                ("/problems/unavailable", "Temporarily unavailable", StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// An error for the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    limit_bytes: Option<usize>,
    /// In how many seconds it may succeed.
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), limit_bytes: None, retry_after: None }
    }

    /// The same problem, with the field that it is about.
    #[must_use]
    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.errors.push(FieldProblem::new(field, &self.detail));
        self
    }

    /// What was asked for is not there, or not for this caller, or nothing ever is at such a place.
    pub(crate) fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing here that this API key can see")
    }

    pub(crate) fn header(name: &str, message: &str) -> Self {
        Self::new(Kind::BadRequest, format!("the header {name} is {message}")).at(name)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes, which is the limit here");
        Self { limit_bytes: Some(limit), ..Self::new(Kind::TooLarge, detail) }
    }

    /// Something is wrong with Postrider; the log says what.
    pub(crate) fn internal() -> Self {
        Self::new(Kind::Internal, "something went wrong here; the log of the service tells what")
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Something is wrong with Postrider, and this is what.
    pub(crate) fn defect(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "request failed");
        Self::internal()
    }

    fn unavailable(error: &(dyn Error + 'static)) -> Self {
        tracing::warn!(error = chain(error), "request failed");
        Self::new(Kind::Unavailable, "a store that this needs cannot be used at the moment; try again")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        self.errors.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'a str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            errors: Vec<FieldBody<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit_bytes: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after: Option<u64>,
        }
        #[derive(Serialize)]
        struct FieldBody<'a> {
            field: &'a str,
            message: &'a str,
        }
        let (r#type, title, status) = self.kind.describe();
        let errors = self.errors.iter();
        let errors = errors.map(|error| FieldBody { field: &error.field, message: &error.message }).collect();
        let (status, detail) = (status.as_u16(), &*self.detail);
        let (limit_bytes, retry_after) = (self.limit_bytes, self.retry_after);
        Body { r#type, title, status, detail, errors, limit_bytes, retry_after }.serialize(serializer)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, _, status) = self.kind.describe();
        // Numbers and texts are always written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthorized => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Kind::Unavailable => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            // The rest of the body may be on its way: nothing else can follow on this connection.
            Kind::TooLarge => headers.insert(CONNECTION, HeaderValue::from_static("close")),
            Kind::RateLimited => headers.insert(RETRY_AFTER, self.retry_after.unwrap_or(1).into()),
            _ => None,
        };
        response
    }
}

impl From<Vec<FieldProblem>> for Problem {
    fn from(errors: Vec<FieldProblem>) -> Self {
        Self { errors, ..Self::new(Kind::Validation, "the fields named under errors are not accepted") }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing | AuthError::Invalid => Self::new(Kind::Unauthorized, detail),
            AuthError::Address | AuthError::Role { .. } | AuthError::PlatformOnly => {
                Self::new(Kind::Forbidden, detail)
            }
            AuthError::TenantMissing | AuthError::UnknownTenant(_) => {
                Self::new(Kind::BadRequest, detail).at(TENANT_HEADER)
            }
            AuthError::Table(error) => error.into(),
            AuthError::Vault(error) => Self::unavailable(&error),
        }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let detail = error.to_string();
        match error {
            IngestError::Invalid(errors) => errors.into(),
            IngestError::TooLarge { limit, .. } => {
                Self { limit_bytes: Some(limit), ..Self::new(Kind::TooLarge, detail).at("data") }
            }
            IngestError::Conflict(_) => Self::new(Kind::Conflict, detail).at("event_id"),
            IngestError::RateLimited { retry_after } => {
                Self { retry_after: Some(retry_after.as_secs()), ..Self::new(Kind::RateLimited, detail) }
            }
            IngestError::Rate(error) => Self::unavailable(&*error),
            IngestError::Table(error) => error.into(),
            IngestError::Queue(error) => error.into(),
            IngestError::Blobs(error) => error.into(),
            IngestError::Match(error) => Self::unavailable(&error),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown(_) => Self::not_found(),
            CancelError::TooLate(_) | CancelError::Contended(_) => {
                Self::new(Kind::Conflict, error.to_string())
            }
            CancelError::Table(error) => error.into(),
        }
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Invalid(errors) => errors.into(),
            EndpointError::Unknown(_) => Self::not_found(),
            EndpointError::Contended(_)
            | EndpointError::NotActive(..)
            | EndpointError::RotatedMeanwhile(_)
            | EndpointError::TooManyKeys(_) => Self::new(Kind::Conflict, error.to_string()),
            EndpointError::Secrets(SecretsError::Vault(error)) => Self::unavailable(&error),
            EndpointError::Secrets(error) => Self::defect(&error),
            EndpointError::Table(error) => error.into(),
            EndpointError::Queue(error) => error.into(),
        }
    }
}

impl From<RedeliverError> for Problem {
    fn from(error: RedeliverError) -> Self {
        match error {
            RedeliverError::UnknownDelivery(_) | RedeliverError::UnknownDeadLetter(_) => Self::not_found(),
            RedeliverError::EndpointDeleted
            | RedeliverError::EventExpired
            | RedeliverError::Handled(_)
            | RedeliverError::Unreadable
            | RedeliverError::NotCancellable(_)
            | RedeliverError::Contended => Self::new(Kind::Conflict, error.to_string()),
            RedeliverError::UnknownEndpoint(_) => vec![FieldProblem::new("to_endpoint", error)].into(),
            RedeliverError::Table(error) => error.into(),
            RedeliverError::Queue(error) => error.into(),
        }
    }
}

impl From<ManageJobError> for Problem {
    fn from(error: ManageJobError) -> Self {
        match error {
            ManageJobError::UnknownEvent(_)
            | ManageJobError::UnknownEndpoint(_)
            | ManageJobError::UnknownJob(_) => Self::not_found(),
            ManageJobError::Invalid(errors) => errors.into(),
            ManageJobError::State(_) | ManageJobError::Contended => {
                Self::new(Kind::Conflict, error.to_string())
            }
            ManageJobError::Table(error) => error.into(),
            ManageJobError::Queue(error) => error.into(),
        }
    }
}

impl From<ResealError> for Problem {
    fn from(error: ResealError) -> Self {
        match error {
            ResealError::Table(error) => error.into(),
            ResealError::Vault(error) => Self::unavailable(&error),
            ResealError::Contended(_) => Self::new(Kind::Conflict, error.to_string()),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Table(error) => error.into(),
            QueryError::Blobs(error) => error.into(),
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Unknown => Self::new(Kind::NotFound, error.to_string()),
            FollowError::Ended => Self::new(Kind::Gone, error.to_string()),
            FollowError::Vault(error) => Self::unavailable(&error),
            FollowError::Table(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::UnknownTenant(_) => Self::not_found(),
            KeyError::Table(error) => error.into(),
        }
    }
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Unavailable { .. } | TableError::Conflict => Self::unavailable(&error),
            TableError::ConditionFailed { .. } | TableError::Invalid { .. } => Self::defect(&error),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable { .. } => Self::unavailable(&error),
            QueueError::Refused { .. } => Self::defect(&error),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        Self::unavailable(&error)
    }
}
