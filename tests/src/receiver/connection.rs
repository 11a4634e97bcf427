//! One connection of a receiver.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::{Delay, Kind};
use super::body::ScriptedBody;
use super::{Answer, Log, Recorded};
use crate::random::{Random, fresh};

/// The largest request body that is taken.
const MOST_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Serves a connection until one side has had enough.
pub(super) async fn serve(stream: TcpStream, number: u64, log: Arc<Log>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| respond(request, number, &log));
    // Scripts break connections on purpose, and callers may go away; the requests that were recorded tell.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn respond(request: Request<Incoming>, number: u64, log: &Log) -> io::Result<Response<ScriptedBody>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY_BYTES).collect().await.map_err(io::Error::other)?.to_bytes();
    let recorded = Arc::new(Recorded {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        connection: number,
        arrived: Instant::now(),
        answered: OnceLock::new(),
        sent_bytes: AtomicU64::new(0),
    });
    let answer = log.record(&recorded);
    wait(answer.delay).await;
    let response = respond_as(answer, &recorded).await?;
    recorded.answered.set((Instant::now(), response.status().as_u16())).ok();
    Ok(response)
}

async fn wait(delay: Delay) {
    let delay = match delay {
        Delay::None => return,
        Delay::For(delay) => delay,
        Delay::UpTo(most) => {
            let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
            Duration::from_micros(Random::seeded(fresh()).between(0, most.max(1)))
        }
    };
    tokio::time::sleep(delay).await;
}

/// The response of an answer; an error closes the connection.
async fn respond_as(answer: Answer, recorded: &Arc<Recorded>) -> io::Result<Response<ScriptedBody>> {
    let body = match answer.kind {
        Kind::Body(body) => ScriptedBody::Whole(Some(body).filter(|body| !body.is_empty())),
        Kind::Endless => ScriptedBody::Endless(Arc::clone(recorded)),
        Kind::Cut(body) => ScriptedBody::Cut(Some(body)),
        Kind::Hang => std::future::pending().await,
        Kind::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(io::Error::other)
}
