//! A receiver that answers at once and remembers when what arrived, and a slow one that does not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;

/// How long `/slow` takes.
const SLOWNESS: Duration = Duration::from_secs(2);

/// The receiver.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    count: Arc<AtomicUsize>,
    remembers: Arc<AtomicBool>,
    arrivals: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let remembers = Arc::new(AtomicBool::new(false));
        let arrivals: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let (counter, switch, memory) = (Arc::clone(&count), Arc::clone(&remembers), Arc::clone(&arrivals));
        let receive = async move |headers: HeaderMap, _: Bytes| {
            if switch.load(Ordering::Relaxed) {
                let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
                memory.lock().unwrap().insert(id.to_owned(), Instant::now());
            }
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let slow = async |_: Bytes| tokio::time::sleep(SLOWNESS).await;
        let router = Router::new().route("/slow", post(slow)).route("/{*path}", post(receive));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, count, remembers, arrivals }
    }

    /// How many requests arrived.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// From now on, remembers when each event arrived.
    pub(crate) fn remember(&self) {
        self.arrivals.lock().unwrap().clear();
        self.remembers.store(true, Ordering::Relaxed);
    }

    /// When each event arrived since then.
    pub(crate) fn take_arrivals(&self) -> HashMap<String, Instant> {
        self.remembers.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.arrivals.lock().unwrap())
    }

    /// Waits until so many requests have arrived in all.
    pub(crate) async fn wait_for(&self, count: usize, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.count() < count {
            assert!(Instant::now() < deadline, "{} of {count} requests arrived", self.count());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
