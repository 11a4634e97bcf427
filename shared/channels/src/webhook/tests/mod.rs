//! Whole attempts against a way out that records what it is given.

mod attempt;
mod mask;
mod record;
mod request;
mod sign;
mod thin;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use ipnet::IpNet;
use postrider_application::ports::outbound::Refusal;
use postrider_application::ports::{
    AttemptJob, AttemptResult, Channel as _, Content, Destination, Outbound, OutboundError, OutboundRequest,
    OutboundResponse,
};
use postrider_domain::event::Audience;
use postrider_domain::signature::{KeyRing, RingKey};
use postrider_domain::{Event, Timestamp};
use serde_json::Value;
use url::Url;

use super::WebhookChannel;

/// The secret of the Standard Webhooks libraries' test vector.
pub(super) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Gives a prepared answer and records requests. Checks URLs as the real one does, as far as it matters.
#[derive(Default)]
pub(super) struct FakeOutbound {
    answer: Mutex<Option<Result<OutboundResponse, OutboundError>>>,
    requests: Mutex<Vec<OutboundRequest>>,
    checked: Mutex<Vec<(Url, Vec<IpNet>)>>,
    refusing: bool,
}

impl FakeOutbound {
    pub(super) fn refusing() -> Self {
        Self { refusing: true, ..Self::default() }
    }

    fn answering(answer: Result<OutboundResponse, OutboundError>) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(Some(answer)), ..Self::default() })
    }

    /// The URLs that were checked, each with the networks it was checked with.
    pub(super) fn checked(&self) -> Vec<(Url, Vec<IpNet>)> {
        self.checked.lock().unwrap().clone()
    }

    fn request(&self) -> OutboundRequest {
        self.requests.lock().unwrap().pop().unwrap()
    }
}

#[async_trait]
impl Outbound for FakeOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.requests.lock().unwrap().push(request);
        self.answer.lock().unwrap().take().unwrap_or_else(|| Ok(answer(200)))
    }

    fn check_url(&self, url: &Url, allowed_networks: &[IpNet]) -> Result<(), Refusal> {
        self.checked.lock().unwrap().push((url.clone(), allowed_networks.to_vec()));
        if self.refusing {
            let address = [10, 0, 0, 1].into();
            return Err(Refusal::Forbidden { address, kind: "a private address" });
        }
        if url.scheme() != "https" {
            return Err(Refusal::Scheme);
        }
        if url.username().is_empty() { Ok(()) } else { Err(Refusal::Authority) }
    }
}

/// An answer without headers or a body.
pub(super) fn answer(status: u16) -> OutboundResponse {
    OutboundResponse { status, headers: HeaderMap::new(), body: Bytes::new(), body_truncated: false }
}

fn event() -> Event {
    Event {
        tenant: "acme".parse().unwrap(),
        id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".parse().unwrap(),
        event_type: "user.created".parse().unwrap(),
        accepted_at: Timestamp::from_millis(1_769_860_800_123),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    }
}

/// One attempt for this configuration and data, at the moment of the test vector.
async fn attempt(outbound: &Arc<FakeOutbound>, config: &Value, data: &[u8]) -> AttemptResult {
    attempt_with(outbound, config, keys(&[(SECRET, None)]), Timestamp::from_millis(1_649_367_553_999), data)
        .await
}

/// Keys, each with its end in milliseconds.
fn keys(keys: &[(&str, Option<u64>)]) -> KeyRing {
    let key = |(text, end): &(&str, Option<u64>)| RingKey {
        key: text.parse().unwrap(),
        created_at: Timestamp::default(),
        expires_at: end.map(Timestamp::from_millis),
    };
    KeyRing::new(keys.iter().map(key).collect())
}

/// One attempt with these keys at this moment.
async fn attempt_with(
    outbound: &Arc<FakeOutbound>,
    config: &Value,
    keys: KeyRing,
    now: Timestamp,
    data: &[u8],
) -> AttemptResult {
    let destination = WebhookChannel::new(outbound.clone()).open(config, keys).ok().unwrap();
    let data = Bytes::copy_from_slice(data);
    attempt_to(&*destination, Content::Data(&data), now).await
}

/// One attempt with this content.
async fn attempt_to(destination: &dyn Destination, content: Content<'_>, now: Timestamp) -> AttemptResult {
    let job = AttemptJob { event: &event(), content, now, timeout: Duration::from_secs(7) };
    destination.attempt(&job).await
}
