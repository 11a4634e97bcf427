//! A server on this machine that says byte by byte what a test wants, and counts who came.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server that hands every connection to a function of the test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(Connection) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Connection(BufReader::new(stream))));
            }
        });
        Self { address, accepted }
    }

    /// A server that gives the same answer to every request.
    pub(super) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.say(answer).await;
            }
        })
        .await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A connection that a client made.
pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// The next request as it came, head and body; `None` when the client has closed the connection.
    pub(super) async fn request(&mut self) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut text).await.ok()? == 0 {
                return None;
            }
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        text.push_str(&String::from_utf8(body).unwrap());
        Some(text)
    }

    /// Says something; answers whether the client was still there.
    pub(super) async fn say(&mut self, text: &str) -> bool {
        self.0.get_mut().write_all(text.as_bytes()).await.is_ok()
    }

    /// Waits until the client is gone.
    pub(super) async fn wait_for_close(&mut self) {
        let mut rest = Vec::new();
        // A reset ends the connection as well.
        drop(self.0.read_to_end(&mut rest).await);
    }
}
