//! The HTTP server: the API and the built-in receiver on one port.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::ServiceExt as _;
use axum::extract::{ConnectInfo, Request};
use axum::serve::ListenerExt as _;
use postrider_http_api::ClientAddress;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

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
    // Without this, small answers wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    // Around the router, not a layer of its routes, each of which would be copied for every request.
    let service = router.map_request(name_client);
    axum::serve(listener, service.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop)
        .await
}

/// Tells the API who is calling: here, whoever holds the connection.
fn name_client(mut request: Request) -> Request {
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = ClientAddress(address.ip());
        request.extensions_mut().insert(client);
    }
    request
}
