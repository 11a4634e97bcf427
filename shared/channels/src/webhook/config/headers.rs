//! Headers of the endpoint's own.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use postrider_domain::FieldProblem;
use serde_json::Value;

use crate::fields::Fields;

/// The most headers.
const MAX_HEADERS: usize = 20;

/// The most bytes of all names and values: they are on record with every attempt.
const MAX_BYTES: usize = 2048;

/// Headers that are the business of the connection (RFC 9110, section 7.6.1), or of the HTTP client.
const OF_THE_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Parts of the names of headers that carry credentials.
const SENSITIVE: [&str; 8] =
    ["auth", "key", "token", "secret", "password", "cookie", "credential", "signature"];

/// Whether the value of a header with this name is to be hidden.
pub(in crate::webhook) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE.iter().any(|part| name.contains(part))
}

/// Whether a header can be set by an endpoint's configuration.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    OF_THE_CONNECTION.contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
        || name.as_str().starts_with("webhook-")
}

/// The text as the value of a header, if every receiver will read it in the same way.
pub(super) fn printable(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())
}

/// Reads the field `headers`.
pub(super) fn read(fields: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(value) = fields.get("headers") else { return headers };
    let Value::Object(entries) = value else {
        problems.push(fields.problem("headers", "must be an object of names and values"));
        return headers;
    };
    if entries.len() > MAX_HEADERS {
        problems.push(fields.problem("headers", format!("at most {MAX_HEADERS} headers")));
    }
    if entries.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum::<usize>()
        > MAX_BYTES
    {
        problems.push(fields.problem("headers", format!("at most {MAX_BYTES} bytes of names and values")));
    }
    for (name, value) in entries {
        let field = format!("headers.{name}");
        match read_one(name, value, &headers) {
            Ok((name, value)) => drop(headers.insert(name, value)),
            Err(message) => problems.push(fields.problem(&field, message)),
        }
        fields.refuse_mask(&field, value.as_str().unwrap_or_default(), problems);
    }
    headers
}

fn read_one(
    name: &str,
    value: &Value,
    others: &HeaderMap,
) -> Result<(HeaderName, HeaderValue), &'static str> {
    let parsed: HeaderName = name.parse().map_err(|_| "is not the name of a header")?;
    if is_reserved(&parsed) {
        return Err("is set by Postrider and cannot be changed");
    }
    if others.contains_key(&parsed) {
        return Err("is the same header as one before");
    }
    let text = value.as_str().ok_or("must be a string")?;
    if text.trim() != text {
        return Err("must not begin or end with a space");
    }
    let mut value = printable(text).ok_or("must be printable ASCII characters")?;
    value.set_sensitive(is_sensitive(name));
    Ok((parsed, value))
}
