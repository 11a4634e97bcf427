//! The HTTP server: the API and the built-in receiver on one port.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;

use anyhow::Context;
use axum::serve::{IncomingStream, ListenerExt as _, TapIo};
use axum::{Extension, Router};
use postrider_http_api::ClientAddress;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer as _, service_fn};

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
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = listener.tap_io(no_delay);
    // Tells the API who is calling: here, whoever holds the connection. Around the router, not a layer of its routes,
    // each of which would be copied for every request.
    let serve_client = service_fn(move |connection: IncomingStream<'_, TapIo<TcpListener, _>>| {
        let client = Extension(ClientAddress(connection.remote_addr().ip()));
        ready(Ok::<_, Infallible>(client.layer(router.clone())))
    });
    axum::serve(listener, serve_client).with_graceful_shutdown(stop).await
}

/// Without this, small answers wait for the acknowledgement of the one before.
fn no_delay(stream: &mut TcpStream) {
    stream.set_nodelay(true).ok();
}
