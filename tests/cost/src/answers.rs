//! What receivers answer: the headers and bodies of ordinary web applications that took a webhook.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use postrider_application::ports::OutboundResponse;

/// A kind of receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An application on Express behind nginx.
    Express,
    /// An application on Rails behind nginx.
    Rails,
    /// A function behind Amazon API Gateway's HTTP API.
    ApiGateway,
    /// A Go service that answers with no more than its status.
    Bare,
    /// An application behind a content network that adds a kilobyte of headers.
    ContentNetwork,
}

impl Answer {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Express, Self::Rails, Self::ApiGateway, Self::Bare, Self::ContentNetwork];

    /// Every kind whose answer is small.
    pub const SMALL: [Self; 4] = [Self::Express, Self::Rails, Self::ApiGateway, Self::Bare];

    /// The kind in plain words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Express => "Express behind nginx",
            Self::Rails => "Rails behind nginx",
            Self::ApiGateway => "API Gateway",
            Self::Bare => "204 and nothing else",
            Self::ContentNetwork => "a content network's kilobyte of headers",
        }
    }

    /// What it answers.
    pub fn response(self) -> OutboundResponse {
        let (status, body, headers): (u16, &'static str, &[(&str, &str)]) = match self {
            Self::Express => (200, r#"{"received":true}"#, &EXPRESS),
            Self::Rails => (200, r#"{"status":"ok","id":48213}"#, &RAILS),
            Self::ApiGateway => (200, r#"{"message":"accepted"}"#, &API_GATEWAY),
            Self::Bare => (204, "", &BARE),
            Self::ContentNetwork => (200, r#"{"received":true}"#, &CONTENT_NETWORK),
        };
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
            })
            .collect();
        OutboundResponse { status, headers, body: Bytes::from_static(body.as_bytes()), body_truncated: false }
    }
}

const DATE: (&str, &str) = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");

const EXPRESS: [(&str, &str); 9] = [
    ("server", "nginx/1.28.0"),
    DATE,
    ("content-type", "application/json; charset=utf-8"),
    ("content-length", "17"),
    ("connection", "keep-alive"),
    ("x-powered-by", "Express"),
    ("etag", "W/\"11-1pXwCkvzAkdkJ4hyyVSxgKxvRH4\""),
    ("strict-transport-security", "max-age=63072000; includeSubDomains; preload"),
    ("x-request-id", "0f5d7a3e-6f0b-4a86-9d6e-0b1f4f3f2c11"),
];

const RAILS: [(&str, &str); 16] = [
    ("server", "nginx"),
    DATE,
    ("content-type", "application/json; charset=utf-8"),
    ("transfer-encoding", "chunked"),
    ("connection", "keep-alive"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-xss-protection", "0"),
    ("x-content-type-options", "nosniff"),
    ("x-permitted-cross-domain-policies", "none"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("vary", "Accept"),
    ("etag", "W/\"5c2f9d1be1f5d6a3d6f2a1b0c9e8d7f6\""),
    ("cache-control", "max-age=0, private, must-revalidate"),
    ("x-request-id", "a7c1c0de-5a53-4f0c-8d26-1e3b9f7a6b55"),
    ("x-runtime", "0.018342"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
];

const API_GATEWAY: [(&str, &str); 5] = [
    DATE,
    ("content-type", "application/json"),
    ("content-length", "22"),
    ("connection", "keep-alive"),
    ("apigw-requestid", "JKJaXmPLvHcESHA="),
];

const BARE: [(&str, &str); 1] = [DATE];

const CONTENT_NETWORK: [(&str, &str); 14] = [
    DATE,
    ("content-type", "application/json; charset=utf-8"),
    ("transfer-encoding", "chunked"),
    ("connection", "keep-alive"),
    ("cf-ray", "8e5f0a1b2c3d4e5f-FRA"),
    ("cf-cache-status", "DYNAMIC"),
    ("server", "cloudflare"),
    ("vary", "Accept-Encoding"),
    ("x-powered-by", "Express"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains; preload"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
    ("nel", r#"{"success_fraction":0,"report_to":"cf-nel","max_age":604800}"#),
    (
        "report-to",
        r#"{"endpoints":[{"url":"https://a.nel.cloudflare.com/report/v4?s=Zk3c9rJ0Qb1pXwCkvzAkdkJ4hyyVSxgKxvRH4u2Wm8s5tEo7yLq6iNf1aGdBhKcPjRvUwXzYM%2Fn0Tg4eS9rV3bDmQkHlAoCxZuJyFiEpWtNsLqOgIh"}],"group":"cf-nel","max_age":604800}"#,
    ),
    ("server-timing", "cfL4;desc=\"?proto=TCP&rtt=11240&sent=7&recv=9&lost=0&retrans=0&sent_bytes=3389\""),
];
