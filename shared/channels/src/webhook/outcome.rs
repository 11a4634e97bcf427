//! What an answer, or the lack of one, means for the delivery.

use std::time::{Duration, SystemTime};

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use postrider_application::ports::{OutboundError, OutboundResponse};
use postrider_domain::{Outcome, Timestamp};
use url::Url;

use super::config::success::SuccessCodes;

/// How much of a redirect's address is shown.
const SHOWN_LOCATION_BYTES: usize = 512;

/// What an attempt came to, why, and for how long the receiver asks to be left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) outcome: Outcome,
    pub(super) error: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl Judgement {
    fn failed(outcome: Outcome, error: String) -> Self {
        Self { outcome, error: Some(error), retry_after: None }
    }
}

/// Judges an answer.
pub(super) fn of_response(
    response: &OutboundResponse,
    success: &SuccessCodes,
    url: &Url,
    now: Timestamp,
) -> Judgement {
    let status = response.status;
    if success.contain(status) {
        return Judgement { outcome: Outcome::Delivered, error: None, retry_after: None };
    }
    let answered = format!("the receiver answered {}", describe(status));
    match status {
        300..=399 => Judgement::failed(Outcome::Rejected, redirect(&answered, &response.headers, url)),
        410 => Judgement::failed(Outcome::Gone, format!("{answered}: it wants nothing more")),
        408 | 425 | 429 | 500..=599 => {
            let retry_after = matches!(status, 429 | 503).then(|| retry_after(&response.headers, now));
            Judgement { retry_after: retry_after.flatten(), ..Judgement::failed(Outcome::Retry, answered) }
        }
        _ => Judgement::failed(Outcome::Rejected, format!("{answered}{}", remedy(status))),
    }
}

/// Judges the lack of an answer.
pub(super) fn of_error(error: &OutboundError) -> Judgement {
    match error {
        OutboundError::Refused(_) => Judgement::failed(Outcome::Rejected, error.to_string()),
        OutboundError::Unresolved { .. } => {
            Judgement::failed(Outcome::Retry, format!("{error}; check the endpoint's url"))
        }
        OutboundError::TimedOut { .. } => Judgement::failed(
            Outcome::Retry,
            format!(
                "{error}; a receiver should answer first and work later, or have a longer timeout_seconds"
            ),
        ),
        OutboundError::Connect { .. } | OutboundError::Broken { .. } => {
            Judgement::failed(Outcome::Retry, error.to_string())
        }
    }
}

/// The code with its meaning, where it has one.
fn describe(status: u16) -> String {
    let meaning = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    meaning.map_or_else(|| status.to_string(), |meaning| format!("{status} {meaning}"))
}

fn remedy(status: u16) -> &'static str {
    match status {
        0..=299 => ", which is not among the endpoint's success_codes",
        401 | 403 => "; check the endpoint's auth and headers, and how the receiver verifies the signature",
        404 => "; check the endpoint's url",
        405 => "; check the endpoint's method",
        413 => "; the receiver does not take events of this size",
        _ => "",
    }
}

fn redirect(answered: &str, headers: &HeaderMap, url: &Url) -> String {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| url.join(location).ok()).map(String::from);
    match target {
        Some(mut target) => {
            target.truncate(target.floor_char_boundary(SHOWN_LOCATION_BYTES));
            format!(
                "{answered} to {target}; redirects are not followed: set the endpoint's url to that address"
            )
        }
        None => {
            format!("{answered}; redirects are not followed: set the endpoint's url to the final address")
        }
    }
}

/// `Retry-After` in either of its forms (RFC 9110, section 10.2.3); anything else is ignored.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    let since_epoch = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since_epoch.saturating_sub(Duration::from_millis(now.as_millis())))
}

#[cfg(test)]
mod tests;
