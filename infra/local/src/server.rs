//! The HTTP server: the API and the built-in receiver on one port.

use std::net::SocketAddr;
use std::pin::pin;

use anyhow::Context;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use postrider_http_api::ClientAddress;
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceExt as _};

use crate::receiver;
use crate::stack::Stack;

/// Listens on an address.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with --addr"))
}

/// What is served.
pub(crate) fn router(stack: &Stack) -> Router {
    let receiver = receiver::router(stack.endpoints.clone(), stack.secrets.clone(), stack.clock.clone());
    postrider_http_api::router(stack.services.clone()).merge(receiver)
}

/// Serves until `stop` is over, and then until the requests under way are.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    // Made ready once, and not again for every request.
    let router = router.with_state(());
    let (mut http, connections) = (http1::Builder::new(), GracefulShutdown::new());
    // A connection is not read while its answer is made: that would take new memory for it each time, because what
    // was read before is still in use. So a client that goes away does not end what it has asked for.
    http.half_close(true);
    let mut stop = pin!(stop);
    loop {
        let (stream, client) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = Listener::accept(&mut listener) => accepted,
        };
        // Without this, small answers wait for the acknowledgement of the one before.
        stream.set_nodelay(true).ok();
        // Tells the API who is calling: here, whoever holds the connection.
        let service = Extension(ClientAddress(client.ip())).layer(router.clone());
        let service = service.map_request(|request: Request<Incoming>| request.map(Body::new));
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}
