//! Every path of the API with its methods, so that a part of it, a function, can tell a path that is nowhere from
//! one that another part serves.

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};

use crate::problem::{Kind, Problem};

/// The paths, as the routers write them, and what can be done there. One without a variable goes before one that
/// fits it.
const PATHS: [(&str, &str); 47] = [
    ("/health", "GET"),
    ("/v1/events", "GET, POST"),
    ("/v1/events/batch", "POST"),
    ("/v1/events/{id}", "GET"),
    ("/v1/events/{id}/cancel", "POST"),
    ("/v1/events/{id}/data", "GET"),
    ("/v1/events/{id}/replay", "POST"),
    ("/v1/endpoints", "GET, POST"),
    ("/v1/endpoints/{id}", "DELETE, GET, PATCH"),
    ("/v1/endpoints/{id}/circuit", "POST"),
    ("/v1/endpoints/{id}/deliveries", "GET"),
    ("/v1/endpoints/{id}/disable", "POST"),
    ("/v1/endpoints/{id}/enable", "POST"),
    ("/v1/endpoints/{id}/health", "GET"),
    ("/v1/endpoints/{id}/jwks", "GET"),
    ("/v1/endpoints/{id}/parked", "GET, POST"),
    ("/v1/endpoints/{id}/pause", "POST"),
    ("/v1/endpoints/{id}/replay", "POST"),
    ("/v1/endpoints/{id}/resume", "POST"),
    ("/v1/endpoints/{id}/secret", "GET"),
    ("/v1/endpoints/{id}/secret/rotate", "POST"),
    ("/v1/endpoints/{id}/test", "POST"),
    ("/v1/deliveries", "GET"),
    ("/v1/deliveries/{id}", "GET"),
    ("/v1/deliveries/{id}/cancel", "POST"),
    ("/v1/deliveries/{id}/retry", "POST"),
    ("/v1/dead-letters", "GET"),
    ("/v1/dead-letters/discard", "POST"),
    ("/v1/dead-letters/redrive", "POST"),
    ("/v1/dead-letters/resolve", "POST"),
    ("/v1/dead-letters/{id}", "GET"),
    ("/v1/dead-letters/{id}/discard", "POST"),
    ("/v1/dead-letters/{id}/redrive", "POST"),
    ("/v1/dead-letters/{id}/resolve", "POST"),
    ("/v1/jobs", "GET"),
    ("/v1/jobs/{id}", "GET"),
    ("/v1/jobs/{id}/cancel", "POST"),
    ("/v1/jobs/{id}/resume", "POST"),
    ("/v1/keys", "GET, POST"),
    ("/v1/keys/{id}", "DELETE"),
    ("/v1/master-key/reseal", "GET, POST"),
    ("/v1/platform/dead-letters", "GET"),
    ("/v1/reconciliation", "GET"),
    ("/v1/tenants", "GET, POST"),
    ("/v1/tenants/{id}", "GET, PATCH"),
    ("/d/{token}", "GET, HEAD"),
    ("/.well-known/postrider/{tenant}/{endpoint}/jwks.json", "GET"),
];

/// Answers a request that no route takes.
pub(crate) async fn refuse(method: Method, uri: Uri) -> Response {
    let Some((_, allowed)) = PATHS.iter().find(|(pattern, _)| fits(pattern, uri.path())) else {
        return Problem::not_found().into_response();
    };
    let detail = format!("{method} cannot be used here; see the header Allow");
    let mut response = Problem::new(Kind::MethodNotAllowed, detail).into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Whether a path is one of a pattern's. A variable stands for one segment that is not empty.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}
