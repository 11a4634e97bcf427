//! The resolver that the HTTP client is given: it answers with addresses that were vetted, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::lookup::Lookup;
use crate::rules::Rules;

/// The name has no address. Travels through the HTTP client's error, where `failure` finds it.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(crate) struct NoAddress;

/// Looks names up and vets every answer. The client connects to what is answered here and to nothing else,
/// so that there is no second look-up between the decision and the connection.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) rules: Rules,
}

impl Service<Name> for Guard {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let answer = self.lookup.lookup(name.as_str());
        let rules = self.rules.clone();
        async move {
            let addresses = answer.await.map_err(|_| NoAddress)?;
            if addresses.is_empty() {
                return Err(NoAddress.into());
            }
            // One refused address refuses the name: which of them would be connected to is left to chance.
            // The client puts the URL's port in the place of 0.
            let vet = |address| Ok(SocketAddr::new(rules.vet(address)?, 0));
            let vetted: Result<Vec<_>, Self::Error> = addresses.into_iter().map(vet).collect();
            Ok(vetted?.into_iter())
        }
        .boxed()
    }
}
