//! The resolver that the HTTP client is given: it answers with addresses that were vetted, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::lookup::Lookup;
use crate::rules::Rules;

/// The name has no address. Travels through the HTTP client's error, where `failure` finds it.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(crate) struct NoAddress;

/// Looks names up and vets every answer. The client connects to what is answered here and to nothing else,
/// so that there is no second look-up between the decision and the connection.
pub(crate) struct Guard {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) rules: Rules,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.lookup.lookup(name.as_str());
        let rules = self.rules.clone();
        Box::pin(async move {
            let addresses = answer.await.map_err(|_| NoAddress)?;
            if addresses.is_empty() {
                return Err(NoAddress.into());
            }
            // One refused address refuses the name: which of them would be connected to is left to chance.
            let vetted: Result<Vec<_>, _> = addresses.into_iter().map(|address| rules.vet(address)).collect();
            // The client puts the URL's port in the place of 0.
            Ok(Box::new(vetted?.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
