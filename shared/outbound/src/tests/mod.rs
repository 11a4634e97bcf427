//! The whole way out: names that resolve to what a test says, and servers on this machine.

mod exchange;
mod guard;
mod pool;
mod server;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, Method};
use postrider_application::ports::outbound::OutboundRequest;

use crate::lookup::Lookup;
use crate::{HttpOutbound, parse_networks};

/// Long enough never to run out on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names that resolve to one answer after another; the last one stays.
#[derive(Default)]
struct Names(Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>);

impl Names {
    fn new(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers: VecDeque<_> = answers.iter().map(parse).collect();
        Arc::new(Self(Mutex::new(HashMap::from([(name.to_owned(), answers)]))))
    }

    fn next(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        let last = answers.len() == 1;
        let next = if last { answers.front().cloned() } else { answers.pop_front() };
        Ok(next.unwrap_or_default())
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        std::future::ready(self.next(host)).boxed()
    }
}

/// A way out that may call this machine.
fn local() -> HttpOutbound {
    HttpOutbound::new(&parse_networks("127.0.0.0/8").unwrap()).unwrap()
}

fn post(url: &str) -> OutboundRequest {
    OutboundRequest {
        method: Method::POST,
        url: Arc::new(url.parse().unwrap()),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"hello"),
        timeout: PATIENCE,
        allowed_networks: vec![],
        keep_body_bytes: 4096,
    }
}
