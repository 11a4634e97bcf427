//! Connections to receivers: a vetted address, then TCP, then TLS where the URL has https.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::guard::Guard;

/// How long a connection may take: name, TCP and TLS. Several addresses of a name share it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long a silent connection is asked whether the other side is still there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How many such questions may stay without an answer.
const KEEPALIVE_RETRIES: u32 = 3;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections to addresses that the guard has vetted. Cheap to clone: the client does it for every request.
#[derive(Clone)]
pub(crate) struct Connector(Arc<HttpsConnector<HttpConnector<Guard>>>);

impl Connector {
    pub(crate) fn new(guard: Guard, tls: Arc<ClientConfig>) -> Self {
        let mut http = HttpConnector::new_with_resolver(guard);
        // Whether it may be http is decided by the URL's check and by the guard.
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        Self(Arc::new(HttpsConnector::from((http, tls))))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The guard and the connectors are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = HttpsConnector::clone(&self.0).call(to);
        async move {
            let connected =
                tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(io::Error::from)?;
            Ok(Stream(connected?))
        }
        .boxed()
    }
}

/// A connection. It tells the client nothing of itself, because what it told would be copied for every answer.
pub(crate) struct Stream(MaybeHttpsStream<TokioIo<TcpStream>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(context, parts)
    }
}
