//! The HTTP server: the API and the built-in receiver on one port.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use postrider_http_api::ClientAddress;
use tokio::net::TcpListener;

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
    postrider_http_api::router(stack.services.clone()).merge(receiver).layer(middleware::from_fn(name_client))
}

/// Serves until `stop` is over, and then until the requests under way are.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Without this, small answers wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop)
        .await
}

/// Tells the API who is calling: here, whoever holds the connection.
async fn name_client(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(ClientAddress(address.ip()));
    next.run(request).await
}
