//! A caller of the HTTP API.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::wait::deadline;

/// Someone who calls the API with one key.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    key: Option<String>,
    acting_for: Option<String>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Reply {
    /// The request, for messages.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// A caller of the API at a base URL.
    pub fn new(base: &str, key: Option<&str>) -> Self {
        Self { base: base.to_owned(), key: key.map(str::to_owned), acting_for: None }
    }

    /// The same caller of another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same caller with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), acting_for: None, ..self.clone() }
    }

    /// The same caller without a key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { key: None, acting_for: None, ..self.clone() }
    }

    /// The operator, acting for a tenant.
    #[must_use]
    pub fn acting_for(&self, tenant: &str) -> Self {
        Self { acting_for: Some(tenant.to_owned()), ..self.clone() }
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    /// Removes something.
    pub async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, None).await
    }

    /// Posts a JSON value.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path, Some(body.to_string().into())).await
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::PATCH, path, Some(body.to_string().into())).await
    }

    /// Posts a text as JSON, as it is.
    pub async fn post_text(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::POST, path, Some(body.into())).await
    }

    /// Calls with a JSON body or none.
    pub async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> Reply {
        self.try_call(method.clone(), path, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Calls a server that may be gone.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        answer(request).await
    }

    /// A request to be completed by hand.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = http().request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(tenant) = &self.acting_for {
            request = request.header("postrider-tenant", tenant);
        }
        request
    }
}

/// Follows a link that somebody was given, and where that redirects to, as a receiver without a key does.
pub async fn follow(link: &str) -> Reply {
    let reply = answer(http().get(link)).await.unwrap();
    if reply.status != 307 {
        return reply;
    }
    answer(http().get(reply.header("location"))).await.unwrap()
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When there is no answer.
pub async fn answer(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let (client, request) = request.build_split();
    let request = request?;
    let name = format!("{} {}", request.method(), request.url());
    let response = client.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Reply { request: name, status, headers, body: response.bytes().await? })
}

impl Reply {
    /// The same answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text()))
    }

    /// The body in a form of its own.
    #[track_caller]
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text()))
    }

    /// A header's value; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The beginning of the body.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(2_000).collect()
    }

    /// Checks that this is a problem as RFC 9457 has it, of this status and type. Answers it.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.request);
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{}: {problem}", self.request);
        assert_eq!(problem["status"], status, "{}: {problem}", self.request);
        for field in ["title", "detail"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{}: {field} is missing: {problem}", self.request);
        }
        problem
    }

    /// Checks that this is a problem that names a field.
    #[track_caller]
    pub fn problem_with(&self, status: u16, kind: &str, field: &str) -> Value {
        let problem = self.problem(status, kind);
        let named: Vec<_> = problem["errors"].as_array().into_iter().flatten().collect();
        let messages = named.iter().filter(|error| error["field"] == field);
        let explained =
            messages.filter(|error| error["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_ne!(explained.count(), 0, "{} does not name {field}: {problem}", self.request);
        problem
    }
}

/// The one HTTP client of this process.
fn http() -> &'static reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "the tests call Postrider, not its receivers")]
        let builder = reqwest::Client::builder();
        let builder = builder.no_proxy().redirect(reqwest::redirect::Policy::none());
        builder.timeout(deadline(Duration::from_secs(60))).build().unwrap()
    })
}
