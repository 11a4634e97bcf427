//! Requests and answers.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use serde_json::Value;

/// A request.
pub(crate) struct Call(pub(crate) Request<Body>);

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn acting_for(self, tenant: &str) -> Self {
        self.header("postrider-tenant", tenant)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    pub(crate) fn text(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(Body::from(body.into()))
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        *self.0.body_mut() = body;
        self
    }

    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.0.extensions_mut().insert(value);
        self
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).unwrap() }
    }

    /// The body, if the status is the expected one. Every error is a problem that says so itself.
    pub(crate) fn expect(&self, status: u16) -> Value {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.headers["cache-control"], "no-store");
        assert_eq!(self.headers["x-content-type-options"], "nosniff");
        if status >= 400 {
            assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(body["status"], status);
            assert!(body["type"].as_str().unwrap().starts_with("/problems/"), "{body}");
            assert!(!body["title"].as_str().unwrap().is_empty(), "{body}");
            assert!(!body["detail"].as_str().unwrap().contains("secret reason"), "{body}");
        } else if status != 204 {
            assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        }
        body
    }

    /// The fields that a problem names.
    pub(crate) fn fields(&self, status: u16) -> Vec<String> {
        let body = self.expect(status);
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}
