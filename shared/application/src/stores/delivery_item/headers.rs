//! Headers as an item holds them: what is known or follows from the delivery as a number, the rest as text.

use std::borrow::Cow;

use postrider_domain::delivery::RecordedHeader;
use serde::{Deserialize, Serialize};

/// Names of headers that are written as their place in this list. Append only: items hold the places.
const NAMES: [&str; 58] = [
    "accept",
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "date",
    "content-length",
    "connection",
    "server",
    "keep-alive",
    "transfer-encoding",
    "content-encoding",
    "vary",
    "etag",
    "last-modified",
    "cache-control",
    "expires",
    "pragma",
    "age",
    "via",
    "location",
    "retry-after",
    "set-cookie",
    "alt-svc",
    "strict-transport-security",
    "x-powered-by",
    "x-request-id",
    "x-correlation-id",
    "x-trace-id",
    "x-runtime",
    "x-response-time",
    "x-frame-options",
    "x-content-type-options",
    "x-xss-protection",
    "x-permitted-cross-domain-policies",
    "x-download-options",
    "referrer-policy",
    "permissions-policy",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "cf-ray",
    "cf-cache-status",
    "nel",
    "report-to",
    "server-timing",
    "apigw-requestid",
    "x-amzn-requestid",
    "x-amz-apigw-id",
    "x-amzn-trace-id",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-cache",
];

/// Values that are written as their place in this list. Append only, and never changed.
const VALUES: [&str; 36] = [
    "*/*",
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/plain;charset=UTF-8",
    "text/html",
    "text/html; charset=utf-8",
    "text/html; charset=UTF-8",
    "keep-alive",
    "close",
    "chunked",
    "timeout=5",
    "gzip",
    "nginx",
    "cloudflare",
    "Express",
    "Accept",
    "Accept-Encoding",
    "Origin",
    "*",
    "no-cache",
    "no-store",
    "max-age=0, private, must-revalidate",
    "nosniff",
    "SAMEORIGIN",
    "DENY",
    "1; mode=block",
    "none",
    "noopen",
    "no-referrer",
    "strict-origin-when-cross-origin",
    "max-age=31536000; includeSubDomains",
    "DYNAMIC",
    r#"h3=":443"; ma=86400"#,
    r#"{"success_fraction":0,"report_to":"cf-nel","max_age":604800}"#,
];

/// Where the places of [`VALUES`] begin: the numbers before stand for what follows from the delivery.
const FIRST_VALUE: usize = 2;

/// A name or a value.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Word<'a> {
    /// The number of one that is known.
    Known(usize),
    /// Any other.
    Text(Cow<'a, str>),
}

/// What headers of the delivery itself say.
pub(super) struct Own<'a> {
    /// The event's id, as in `webhook-id`.
    pub(super) event_id: &'a str,
    /// The second in which the attempt began, as in `webhook-timestamp`.
    pub(super) second: String,
}

impl Own<'_> {
    /// Each header as two words, its name and its value.
    pub(super) fn write<'h>(&self, headers: &'h [RecordedHeader]) -> Vec<Word<'h>> {
        let mut words = Vec::with_capacity(2 * headers.len());
        words.extend(headers.iter().flat_map(|(name, value)| [word_of(name), self.value(value)]));
        words
    }

    fn value<'h>(&self, value: &'h str) -> Word<'h> {
        if value == self.event_id {
            return Word::Known(0);
        }
        if value == self.second {
            return Word::Known(1);
        }
        let known = VALUES.iter().position(|known| *known == value);
        known.map_or(Word::Text(value.into()), |place| Word::Known(FIRST_VALUE + place))
    }

    /// Reads what [`Own::write`] wrote; `None` when it did not.
    pub(super) fn read(&self, words: Vec<Word<'_>>) -> Option<Vec<RecordedHeader>> {
        let mut words = words.into_iter();
        let mut headers = Vec::new();
        while let Some(name) = words.next() {
            let name = match name {
                Word::Known(place) => (*NAMES.get(place)?).into(),
                Word::Text(name) => name.into(),
            };
            let value = match words.next()? {
                Word::Known(0) => self.event_id.into(),
                Word::Known(1) => self.second.as_str().into(),
                Word::Known(number) => (*VALUES.get(number - FIRST_VALUE)?).into(),
                Word::Text(value) => value.into(),
            };
            headers.push((name, value));
        }
        Some(headers)
    }
}

/// The word for a header's name.
fn word_of(name: &str) -> Word<'_> {
    NAMES.iter().position(|known| *known == name).map_or(Word::Text(name.into()), Word::Known)
}
