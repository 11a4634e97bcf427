//! What is kept of an answer: bounded, as text, without credentials.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::SET_COOKIE;
use postrider_application::ports::OutboundResponse;
use postrider_application::ports::channel::MASK;
use postrider_domain::delivery::{RecordedHeader, ResponseRecord};
use secrecy::{ExposeSecret as _, SecretString};

/// How many bytes of an answer's body are kept.
pub(super) const KEPT_BODY_BYTES: usize = 4096;

/// How many headers of an answer are kept.
const KEPT_HEADERS: usize = 20;

/// How many bytes of an answer's headers are kept.
const KEPT_HEADER_BYTES: usize = 2048;

/// Shorter texts are found everywhere.
const MIN_CREDENTIAL_BYTES: usize = 4;

/// The credentials that are sent to a receiver, to be taken out of what it sends back: some receivers, and
/// above all the tools that people try webhooks with, answer with the request.
pub(super) struct Credentials(Vec<SecretString>);

impl Credentials {
    pub(super) fn new(mut credentials: Vec<SecretString>) -> Self {
        credentials.retain(|credential| credential.expose_secret().len() >= MIN_CREDENTIAL_BYTES);
        Self(credentials)
    }

    /// The text with every credential replaced by [`MASK`].
    pub(super) fn hide_in<'t>(&self, text: impl Into<Cow<'t, str>>) -> Cow<'t, str> {
        self.0.iter().fold(text.into(), |text, credential| {
            let credential = credential.expose_secret();
            if text.contains(credential) { text.replace(credential, MASK).into() } else { text }
        })
    }
}

/// An answer as it is put on record.
pub(super) fn response(response: &OutboundResponse, credentials: &Credentials) -> ResponseRecord {
    let (body, cut) = text(&response.body, response.body_truncated);
    ResponseRecord {
        status: response.status,
        headers: headers(&response.headers, credentials),
        body: credentials.hide_in(body).into_owned(),
        body_truncated: response.body_truncated || cut,
    }
}

fn headers(headers: &HeaderMap, credentials: &Credentials) -> Vec<RecordedHeader> {
    let mut room = KEPT_HEADER_BYTES;
    let mut kept = Vec::new();
    for (name, value) in headers.iter().take(KEPT_HEADERS) {
        let value = match String::from_utf8_lossy(value.as_bytes()) {
            _ if name == SET_COOKIE => MASK.into(),
            value => credentials.hide_in(value),
        };
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { continue };
        room = left;
        kept.push((name.as_str().into(), value.into()));
    }
    kept
}

/// The bytes as text of at most [`KEPT_BODY_BYTES`], and whether some of it was left out. A character that
/// was cut in two at the end of a truncated body is left out as well.
fn text(bytes: &[u8], truncated: bool) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let cut_in_two = truncated && chunks.peek().is_none();
        if !chunk.invalid().is_empty() && !cut_in_two {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    let end = text.floor_char_boundary(KEPT_BODY_BYTES);
    let cut = end < text.len();
    text.truncate(end);
    (text, cut)
}
