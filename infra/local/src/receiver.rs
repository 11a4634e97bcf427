//! A small receiver, to see a delivery work at once: `/_receiver/<tenant>/<anything>`.
//!
//! It verifies the signature with the keys of the tenant's endpoint that points at it, remembers the latest
//! requests, and answers 200, or what the query parameter `status` says, to try out failures.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use postrider_application::endpoints::Secrets;
use postrider_application::ports::Clock;
use postrider_application::stores::Endpoints;
use postrider_domain::signature::RingKey;
use postrider_domain::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

/// How many requests are remembered.
const REMEMBERED: usize = 100;

/// How far a timestamp may be from now, in seconds, as the Standard Webhooks libraries have it.
const TOLERANCE: u64 = 300;

#[derive(Clone)]
struct Receiver {
    endpoints: Endpoints,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    received: Arc<Mutex<VecDeque<Received>>>,
}

/// A request that arrived.
#[derive(Clone, Serialize)]
struct Received {
    path: String,
    received_at: String,
    webhook_id: String,
    verified: bool,
    /// The beginning of the body.
    body: String,
}

#[derive(Deserialize)]
struct Behaviour {
    status: Option<u16>,
}

/// The receiver's routes.
pub(crate) fn router(endpoints: Endpoints, secrets: Secrets, clock: Arc<dyn Clock>) -> Router {
    let receiver = Receiver { endpoints, secrets, clock, received: Arc::default() };
    Router::new()
        .route("/_receiver/{tenant}/{*name}", get(list).post(receive))
        .layer(DefaultBodyLimit::max(8 * 1024 * 1024))
        .with_state(receiver)
}

async fn list(
    State(receiver): State<Receiver>,
    Path((tenant, name)): Path<(String, String)>,
) -> Json<serde_json::Value> {
    let path = path_of(&tenant, &name);
    let received = receiver.received.lock().unwrap_or_else(PoisonError::into_inner);
    let items: Vec<Received> = received.iter().rev().filter(|r| r.path == path).cloned().collect();
    Json(serde_json::json!({ "items": items }))
}

async fn receive(
    State(receiver): State<Receiver>,
    Path((tenant, name)): Path<(String, String)>,
    Query(behaviour): Query<Behaviour>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<serde_json::Value>) {
    let path = path_of(&tenant, &name);
    let now = receiver.clock.now();
    let keys = receiver.keys_for(&tenant, &path, now).await;
    let verified = keys.iter().any(|key| verify(key, &headers, &body, now));
    let received = Received {
        path,
        received_at: now.to_string(),
        webhook_id: header(&headers, "webhook-id").to_owned(),
        verified,
        body: String::from_utf8_lossy(&body).chars().take(2000).collect(),
    };
    let mut remembered = receiver.received.lock().unwrap_or_else(PoisonError::into_inner);
    remembered.push_back(received);
    if remembered.len() > REMEMBERED {
        remembered.pop_front();
    }
    let asked = behaviour.status.and_then(|status| StatusCode::from_u16(status).ok());
    let fallback = if verified { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    (asked.unwrap_or(fallback), Json(serde_json::json!({ "verified": verified })))
}

fn path_of(tenant: &str, name: &str) -> String {
    format!("/_receiver/{tenant}/{name}")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Receiver {
    /// The keys of the tenant's endpoints that point at this path.
    async fn keys_for(&self, tenant: &str, path: &str, now: Timestamp) -> Vec<RingKey> {
        let Ok(tenant) = tenant.parse::<TenantId>() else { return Vec::new() };
        let records = self.endpoints.all(&tenant).await.unwrap_or_default();
        let points_here = |url: &str| Url::parse(url).is_ok_and(|url| url.path() == path);
        let own =
            records.iter().filter(|record| record.masked_config["url"].as_str().is_some_and(points_here));
        let mut signing = Vec::new();
        for record in own {
            let secrets = self.secrets.open(record).await;
            let keys = secrets.into_iter().map(|secrets| secrets.signing);
            signing.extend(keys.flat_map(|keys| keys.live(now).cloned().collect::<Vec<_>>()));
        }
        signing
    }
}

/// Whether a request carries a valid signature and a timestamp of about now. A signature of either kind follows
/// from its key and the request.
fn verify(key: &RingKey, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let Ok(timestamp) = header(headers, "webhook-timestamp").parse::<u64>() else { return false };
    let expected = key.key.sign_standard(header(headers, "webhook-id"), timestamp, body);
    let signed = header(headers, "webhook-signature").split(' ').any(|signature| signature == expected);
    signed && timestamp.abs_diff(now.as_seconds()) <= TOLERANCE
}
