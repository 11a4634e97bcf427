//! The decision: may this address be called, for this request?

use std::net::IpAddr;
use std::sync::Arc;

use postrider_application::ports::outbound::Refusal;

use crate::address::not_public;
use crate::networks::NetworkList;

/// Which addresses may be called for a kind of request.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// What the operator of the deployment allows beyond public addresses.
    pub(crate) operator: Arc<NetworkList>,
    /// What the endpoint restricts itself to; no restriction when empty.
    pub(crate) endpoint: NetworkList,
    /// Whether the request goes over plain http.
    pub(crate) plain: bool,
}

impl Rules {
    /// The address as it is to be connected to: an IPv4-mapped IPv6 address as its IPv4 address.
    ///
    /// # Errors
    /// Why it may not be called.
    pub(crate) fn vet(&self, address: IpAddr) -> Result<IpAddr, Refusal> {
        let address = address.to_canonical();
        let allowed = self.operator.contains(address);
        if !allowed && let Some(kind) = not_public(address) {
            return Err(Refusal::Forbidden { address, kind });
        }
        if !allowed && self.plain {
            return Err(Refusal::Plain { address });
        }
        if !self.endpoint.is_empty() && !self.endpoint.contains(address) {
            return Err(Refusal::NotListed { address });
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests;
