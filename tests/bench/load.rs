//! Publishing at full speed, at a steady pace, and posting to the receiver without anything in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::process::{PLATFORM_KEY, Server};
use crate::receiver::Receiver;

/// How events are published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One event per request, one endpoint.
    Single,
    /// A hundred events per request, one endpoint.
    Batch,
    /// One event per request, ten endpoints.
    TenEndpoints,
}

impl Shape {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "one endpoint",
            Self::Batch => "one endpoint, 100 a request",
            Self::TenEndpoints => "ten endpoints",
        }
    }

    pub(crate) const fn endpoints(self) -> usize {
        match self {
            Self::Single | Self::Batch => 1,
            Self::TenEndpoints => 10,
        }
    }

    const fn events_per_request(self) -> usize {
        match self {
            Self::Single | Self::TenEndpoints => 1,
            Self::Batch => 100,
        }
    }
}

/// The data of every event: with what is around it, the webhook's body has about 1 KB.
fn data() -> Value {
    json!({ "order": 1042, "amount": 129.90, "note": "x".repeat(880) })
}

#[expect(clippy::disallowed_methods, reason = "the benchmark publishes and posts as anybody would")]
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1024).build().unwrap()
}

/// A publisher with a tenant of its own.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Client {
    /// Makes the tenant `bench` with a key, and endpoints that point at the receiver.
    pub(crate) async fn prepare(server: &Server, receiver: &Receiver, endpoints: usize) -> Arc<Self> {
        let paths: Vec<_> = (0..endpoints).map(|number| format!("/hook/{number}")).collect();
        Self::prepare_as("bench", server, receiver, &paths).await
    }

    /// Makes a tenant and a key, and an endpoint for each of the receiver's paths.
    pub(crate) async fn prepare_as(
        tenant_id: &str,
        server: &Server,
        receiver: &Receiver,
        paths: &[String],
    ) -> Arc<Self> {
        let (http, base) = (http(), server.base.clone());
        let platform = |path: &str, body: Value| {
            let request = http.post(format!("{base}{path}")).bearer_auth(PLATFORM_KEY);
            let request =
                request.header("Postrider-Tenant", tenant_id).header("content-type", "application/json");
            let request = request.body(body.to_string()).send();
            async move {
                let response = request.await.unwrap();
                assert_eq!(response.status(), 201);
                serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap()
            }
        };
        let tenant = http.post(format!("{base}/v1/tenants")).bearer_auth(PLATFORM_KEY);
        let tenant = tenant.header("content-type", "application/json");
        let tenant =
            tenant.body(json!({"id": tenant_id, "name": tenant_id}).to_string()).send().await.unwrap();
        assert_eq!(tenant.status(), 201);
        let key = platform("/v1/keys", json!({"name": "bench", "role": "publisher"})).await;
        for path in paths {
            let url = format!("http://{}{path}", receiver.address);
            let config = json!({ "url": url });
            let subscriptions = json!([{ "event_type": "bench.event" }]);
            let endpoint = json!({
                "name": "bench", "channel": "webhook", "config": config, "subscriptions": subscriptions,
                "rate_limit": { "per_second": 100_000, "burst": 100_000 },
            });
            platform("/v1/endpoints", endpoint).await;
        }
        let key = key["key"].as_str().unwrap().to_owned();
        Arc::new(Self { http, base, key })
    }

    async fn post(&self, path: &str, body: Bytes) -> Bytes {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.bytes().await.unwrap()
    }
}

/// Does something so many times, so many at a time.
async fn repeat<F>(times: usize, concurrency: usize, work: impl Fn() -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let begun = Arc::new(AtomicUsize::new(0));
    let worker = |_| {
        let (begun, work) = (Arc::clone(&begun), work.clone());
        tokio::spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < times {
                work().await;
            }
        })
    };
    for worker in (0..concurrency).map(worker).collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// Publishes events as fast as they are accepted.
pub(crate) async fn publish(client: &Arc<Client>, shape: Shape, events: usize, concurrency: usize) {
    let event = json!({ "type": "bench.event", "data": data() });
    let (path, body) = match shape.events_per_request() {
        1 => ("/v1/events", event.to_string()),
        many => ("/v1/events/batch", json!({ "events": vec![event; many] }).to_string()),
    };
    let (client, body) = (Arc::clone(client), Bytes::from(body));
    let publish = move || {
        let (client, body) = (Arc::clone(&client), body.clone());
        async move {
            client.post(path, body).await;
        }
    };
    repeat(events / shape.events_per_request(), concurrency, publish).await;
}

/// Posts straight to the receiver what a webhook's body would be. Answers posts per second.
pub(crate) async fn bare_posts(receiver: &Receiver, posts: usize, concurrency: usize) -> f64 {
    let body = json!({
        "id": "evt_01K8Z3V5Q2T9N4B7C6D5E4F3G2", "type": "bench.event",
        "timestamp": "2026-01-31T12:00:00.000Z", "data": data(),
    });
    let (http, body) = (http(), Bytes::from(body.to_string()));
    let url = format!("http://{}/hook/0", receiver.address);
    let post = move || {
        let request = http.post(&url).header("content-type", "application/json").body(body.clone()).send();
        async move {
            let response = request.await.unwrap();
            assert!(response.status().is_success());
            response.bytes().await.unwrap();
        }
    };
    let started = Instant::now();
    repeat(posts, concurrency, post).await;
    posts as f64 / started.elapsed().as_secs_f64()
}

/// Publishes at a steady pace. Answers how long each event took from the call to its arrival, in order of
/// length.
pub(crate) async fn paced(
    client: &Arc<Client>,
    receiver: &Receiver,
    per_second: u32,
    seconds: u32,
) -> Vec<Duration> {
    let body = Bytes::from(json!({ "type": "bench.event", "data": data() }).to_string());
    let warm = receiver.count() + 50;
    for _ in 0..50 {
        client.post("/v1/events", body.clone()).await;
    }
    receiver.wait_for(warm, Duration::from_secs(10)).await;
    receiver.remember();
    let before = receiver.count();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut publishing = Vec::new();
    for _ in 0..per_second * seconds {
        ticks.tick().await;
        let (client, body) = (Arc::clone(client), body.clone());
        publishing.push(tokio::spawn(async move {
            let called = Instant::now();
            let answer: Value = serde_json::from_slice(&client.post("/v1/events", body).await).unwrap();
            (answer["event_id"].as_str().unwrap().to_owned(), called)
        }));
    }
    let mut called = HashMap::new();
    for publishing in publishing {
        let (id, at) = publishing.await.unwrap();
        called.insert(id, at);
    }
    receiver.wait_for(before + called.len(), Duration::from_secs(30)).await;
    let arrivals = receiver.take_arrivals();
    let mut latencies: Vec<_> = called.iter().map(|(id, at)| arrivals[id].duration_since(*at)).collect();
    latencies.sort_unstable();
    latencies
}
