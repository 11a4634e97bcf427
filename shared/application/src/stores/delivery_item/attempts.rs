//! The attempts of a delivery in its item: JSON text without what is usual or follows from the delivery, because
//! every kilobyte is a write unit, and a delivered webhook with its attempt has to fit one.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use postrider_domain::delivery::{Attempt, RequestRecord, ResponseRecord};
use postrider_domain::{EventId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use super::TABLE;
use super::headers::{Own, Word};
use crate::ports::table::TableError;
use crate::stores::item::invalid;

/// The method of a webhook unless its endpoint wants another.
const USUAL_METHOD: &str = "POST";

/// What most attempts take in bytes: with room for it, the text need not be moved while it grows.
const ROOM: usize = 512;

#[derive(Serialize, Deserialize)]
struct AttemptForm<'a> {
    /// The attempt's number.
    #[serde(rename = "n")]
    number: u32,
    at: u64,
    ms: u64,
    /// The outcome, unless it is `delivered`.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Cow<'a, str>>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    /// The URL, unless it is that of the attempt before.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Word<'a>>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    response: Option<ResponseForm<'a>>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct ResponseForm<'a> {
    #[serde(rename = "s")]
    status: u16,
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Word<'a>>,
    #[serde(rename = "b", default, skip_serializing_if = "str::is_empty")]
    body: Cow<'a, str>,
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

fn own(event: &EventId, started_at: Timestamp) -> Own<'_> {
    Own { event_id: event.as_str(), second: started_at.as_seconds().to_string() }
}

/// The text of an event's attempts; `None` when there are none.
pub(super) fn write(event: &EventId, attempts: &[Attempt]) -> Result<Option<String>, TableError> {
    if attempts.is_empty() {
        return Ok(None);
    }
    let mut url_before = None;
    let forms = attempts.iter().map(|attempt| {
        let own = own(event, attempt.started_at);
        let url = Some(&attempt.request.url);
        let is_same_url = url == url_before;
        url_before = url;
        AttemptForm {
            number: attempt.number,
            at: attempt.started_at.as_millis(),
            ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: (attempt.outcome != Outcome::Delivered).then(|| attempt.outcome.as_str().into()),
            method: (&*attempt.request.method != USUAL_METHOD).then(|| (&*attempt.request.method).into()),
            url: url.filter(|_| !is_same_url).map(|url| (&**url).into()),
            headers: own.write(&attempt.request.headers),
            response: attempt.response.as_ref().map(|response| ResponseForm {
                status: response.status,
                headers: own.write(&response.headers),
                body: response.body.as_str().into(),
                cut: response.body_truncated,
            }),
            error: attempt.error.as_deref().map(Cow::Borrowed),
        }
    });
    let forms: Vec<_> = forms.collect();
    let mut text = Vec::with_capacity(ROOM * forms.len());
    serde_json::to_writer(&mut text, &forms).map_err(|error| invalid(TABLE, error))?;
    String::from_utf8(text).map(Some).map_err(|error| invalid(TABLE, error))
}

/// Reads an event's attempts.
pub(super) fn read(event: &EventId, text: Option<&str>) -> Result<Vec<Attempt>, TableError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let forms: Vec<AttemptForm<'_>> = serde_json::from_str(text).map_err(|error| invalid(TABLE, error))?;
    let mut url_before: Arc<str> = Arc::default();
    let mut attempts = Vec::with_capacity(forms.len());
    for form in forms {
        let url = form.url.as_deref().map_or(url_before, Arc::from);
        url_before = Arc::clone(&url);
        attempts.push(form.read(event, url)?);
    }
    Ok(attempts)
}

impl AttemptForm<'_> {
    fn read(self, event: &EventId, url: Arc<str>) -> Result<Attempt, TableError> {
        let started_at = Timestamp::from_millis(self.at);
        let own = own(event, started_at);
        let headers = |words| own.read(words).ok_or_else(|| invalid(TABLE, "the headers are not in pairs"));
        let response = self.response.map(|response| {
            Ok::<_, TableError>(ResponseRecord {
                status: response.status,
                headers: headers(response.headers)?,
                body: response.body.into_owned(),
                body_truncated: response.cut,
            })
        });
        let outcome = self.outcome.map(|outcome| outcome.parse()).transpose();
        Ok(Attempt {
            number: self.number,
            started_at,
            duration: Duration::from_millis(self.ms),
            outcome: outcome.map_err(|error| invalid(TABLE, error))?.unwrap_or(Outcome::Delivered),
            request: RequestRecord {
                method: self.method.as_deref().unwrap_or(USUAL_METHOD).into(),
                url,
                headers: headers(self.headers)?,
            },
            response: response.transpose()?,
            error: self.error.map(Cow::into_owned),
        })
    }
}
