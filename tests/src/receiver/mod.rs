//! A real receiver on loopback: answers each path as its script says and records every request.

mod answer;
mod body;
mod connection;
mod recorded;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

pub use answer::Answer;
pub use recorded::Recorded;

use crate::wait::deadline;

/// More requests than any test causes: what comes beyond is refused and not recorded.
const MOST_REQUESTS: usize = 200_000;

/// What the operating system holds back of an answer that nobody reads.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

/// How long requests may take to arrive.
const USUAL: Duration = Duration::from_secs(60);

/// A receiver. Dropped, it closes its connections.
pub struct Receiver {
    address: SocketAddr,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

/// What the connections of a receiver share.
#[derive(Default)]
struct Log {
    paths: Mutex<HashMap<String, Path>>,
    total: AtomicU64,
    arrived: Notify,
}

/// One path of a receiver.
#[derive(Default)]
struct Path {
    script: VecDeque<Answer>,
    /// Whether the script begins again at its end.
    again: bool,
    requests: Vec<Arc<Recorded>>,
}

impl Receiver {
    /// A receiver that answers 200 to everything.
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(SEND_BUFFER_BYTES).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&log)));
        Self { address, log, accepting }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next requests for a path so, one after the other, and all later ones like the last.
    pub fn answer(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.set(path, answers.into_iter().collect(), false);
    }

    /// Answers the requests for a path so, one after the other, over and over again.
    pub fn cycle(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.set(path, answers.into_iter().collect(), true);
    }

    fn set(&self, path: &str, script: VecDeque<Answer>, again: bool) {
        let mut paths = self.log.paths.lock().unwrap();
        let path = paths.entry(path.to_owned()).or_default();
        (path.script, path.again) = (script, again);
    }

    /// What arrived at a path so far, in the order of arrival.
    pub fn requests(&self, path: &str) -> Vec<Arc<Recorded>> {
        let paths = self.log.paths.lock().unwrap();
        paths.get(path).map(|path| path.requests.clone()).unwrap_or_default()
    }

    /// How many requests arrived at a path so far.
    pub fn count(&self, path: &str) -> usize {
        self.log.paths.lock().unwrap().get(path).map_or(0, |path| path.requests.len())
    }

    /// Waits until so many requests have arrived at a path, and answers them all.
    pub async fn wait_for(&self, path: &str, count: usize) -> Vec<Arc<Recorded>> {
        self.wait_longer(path, count, USUAL).await
    }

    /// The same, for what takes longer.
    pub async fn wait_longer(&self, path: &str, count: usize, usual: Duration) -> Vec<Arc<Recorded>> {
        let limit = deadline(usual);
        let waiting = async {
            loop {
                let arrived = self.log.arrived.notified();
                if self.count(path) >= count {
                    break;
                }
                arrived.await;
            }
        };
        if tokio::time::timeout(limit, waiting).await.is_err() {
            panic!("after {limit:?} {} of {count} requests for {path} had arrived", self.count(path));
        }
        self.requests(path)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(connection::serve(stream, number, Arc::clone(&log)));
        while connections.try_join_next().is_some() {}
    }
}

impl Log {
    /// Records a request. Answers what to do with it.
    fn record(&self, request: &Arc<Recorded>) -> Answer {
        let mut paths = self.paths.lock().unwrap();
        if self.total.fetch_add(1, Ordering::Relaxed) >= MOST_REQUESTS as u64 {
            return Answer::status(507);
        }
        let path = paths.entry(request.path.clone()).or_default();
        path.requests.push(Arc::clone(request));
        let next = path.next();
        drop(paths);
        self.arrived.notify_waiters();
        next.unwrap_or_default()
    }
}

impl Path {
    fn next(&mut self) -> Option<Answer> {
        let next = self.script.front().cloned();
        if self.again {
            self.script.rotate_left(self.script.len().min(1));
        } else if self.script.len() > 1 {
            self.script.pop_front();
        }
        next
    }
}
