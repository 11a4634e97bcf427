//! What is sent. Whatever is the same for every attempt is built once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use postrider_application::links::DataLink;
use postrider_application::ports::channel::MASK;
use postrider_application::ports::{AttemptJob, Content, OutboundRequest};
use postrider_domain::delivery::RequestRecord;
use postrider_domain::signature::KeyRing;
use postrider_domain::{Event, FieldProblem};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::config::Config;
use super::config::headers::is_sensitive;
use super::config::payload::Payload;
use super::record::{Credentials, KEPT_BODY_BYTES};
use super::sign::Signer;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

const THIS_PROGRAM: HeaderValue = HeaderValue::from_static(concat!("Postrider/", env!("CARGO_PKG_VERSION")));

/// Requests to one endpoint, less what the event and the moment add.
pub(super) struct RequestTemplate {
    method: Method,
    url: Arc<Url>,
    headers: HeaderMap,
    signer: Signer,
    /// What is on record of every request: without credentials, and without the headers that each adds.
    record: RequestRecord,
    /// The names of those headers, as they are on record.
    added: [Arc<str>; 3],
    payload: Payload,
    allowed_networks: Vec<IpNet>,
}

impl RequestTemplate {
    /// Requests for a configuration, signed with these keys.
    ///
    /// # Errors
    /// When a key to sign with is missing.
    pub(super) fn new(config: &Config, keys: KeyRing) -> Result<Self, FieldProblem> {
        let headers = fixed_headers(config);
        let authorization = config.auth.shown();
        let shown_headers = headers.iter().map(|(name, value)| {
            let shown = match &authorization {
                Some(shown) if name == AUTHORIZATION => shown.as_str().into(),
                _ if is_sensitive(name.as_str()) => MASK.into(),
                _ => String::from_utf8_lossy(value.as_bytes()).into(),
            };
            (name.as_str().into(), shown)
        });
        let record = RequestRecord {
            method: config.method.as_str().into(),
            url: config.url.as_str().into(),
            headers: shown_headers.collect(),
        };
        let signer = Signer::new(&config.signature, keys)?;
        Ok(Self {
            method: config.method.clone(),
            url: Arc::new(config.url.clone()),
            headers,
            added: [WEBHOOK_ID, WEBHOOK_TIMESTAMP, signer.header()].map(|name| name.as_str().into()),
            signer,
            record,
            payload: config.payload,
            allowed_networks: config.ip_allowlist.clone(),
        })
    }

    /// The request of an attempt, and what is put on record of it.
    pub(super) fn request(&self, job: &AttemptJob<'_>) -> (OutboundRequest, RequestRecord) {
        let body = match job.content {
            Content::Data(data) if self.payload == Payload::Data => data.clone(),
            Content::Data(data) => envelope(job.event, data),
            Content::Link(link) => thin(job.event, link),
        };
        let id = &job.event.id;
        let added: [(HeaderName, Arc<str>); 3] = [
            (WEBHOOK_ID, id.into()),
            (WEBHOOK_TIMESTAMP, job.now.as_seconds().to_string().into()),
            (self.signer.header(), self.signer.sign(id.as_str(), job.now, &body).into()),
        ];
        let mut headers = self.headers.clone();
        let mut shown = Vec::with_capacity(self.record.headers.len() + added.len());
        shown.extend_from_slice(&self.record.headers);
        for (shown_name, (name, text)) in self.added.iter().zip(added) {
            // Ids, numbers and signatures are printable ASCII, so that this never fails.
            let Ok(value) = HeaderValue::from_str(&text) else { continue };
            shown.push((Arc::clone(shown_name), text));
            headers.insert(name, value);
        }
        let RequestRecord { method, url, .. } = &self.record;
        let record = RequestRecord { method: Arc::clone(method), url: Arc::clone(url), headers: shown };
        let request = OutboundRequest {
            method: self.method.clone(),
            url: Arc::clone(&self.url),
            headers,
            body,
            timeout: job.timeout,
            allowed_networks: self.allowed_networks.clone(),
            keep_body_bytes: KEPT_BODY_BYTES,
        };
        (request, record)
    }

    /// For how long the link is good that is sent in place of the data, if one is.
    pub(super) const fn link_ttl(&self) -> Option<Duration> {
        self.payload.link_ttl()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

/// Everything that a request to this endpoint gives away.
pub(super) fn credentials(config: &Config) -> Credentials {
    let sensitive = config.headers.iter().filter(|(name, _)| is_sensitive(name.as_str()));
    let headers = sensitive.filter_map(|(_, value)| value.to_str().ok().map(SecretString::from));
    Credentials::new(config.auth.credentials().into_iter().chain(headers).collect())
}

/// The headers that every request has: ours, then the endpoint's own in their place.
fn fixed_headers(config: &Config) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, THIS_PROGRAM);
    headers.extend(config.headers.clone());
    if let Some(value) = config.auth.header() {
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

/// `{"id", "type", "timestamp", "data"}`. The data is embedded as the text it came as.
fn envelope(event: &Event, data: &Bytes) -> Bytes {
    [head(event).as_bytes(), br#","data":"#, data, b"}"].concat().into()
}

/// `{"id", "type", "timestamp", "data_url", "data_url_expires_at", "data_bytes"}`.
fn thin(event: &Event, link: &DataLink) -> Bytes {
    let (url, expires_at) = (Value::from(link.url.as_str()), link.expires_at);
    let link =
        format!(r#""data_url":{url},"data_url_expires_at":"{expires_at}","data_bytes":{}"#, link.bytes);
    format!("{},{link}}}", head(event)).into()
}

/// `{"id", "type", "timestamp"`. Ids, types and times hold nothing that JSON would escape.
fn head(event: &Event) -> String {
    let (id, event_type, timestamp) = (event.id.as_str(), event.event_type.as_str(), event.timestamp());
    [r#"{"id":""#, id, r#"","type":""#, event_type, r#"","timestamp":""#, &timestamp.to_string(), "\""]
        .concat()
}
