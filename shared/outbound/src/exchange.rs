//! One request and its answer.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use postrider_application::ports::outbound::{
    Outbound, OutboundError, OutboundRequest, OutboundResponse, Refusal,
};
use url::{Host, Url};

use crate::clients::{BuildError, Clients};
use crate::failure;
use crate::lookup::{Lookup, SystemLookup};
use crate::networks::NetworkList;
use crate::rules::Rules;
use crate::tls;

/// How many bytes of an answer's body are read before the connection is given up. Shorter bodies are read
/// to their end, though only the beginning is kept, so that the connection can be used again.
const READ_BODY_BYTES: usize = 64 * 1024;

/// The `Outbound` port on HTTP/1.1 with TLS, behind the guard.
pub struct HttpOutbound {
    operator: Arc<NetworkList>,
    clients: Clients,
}

impl HttpOutbound {
    /// A way out to public addresses, and to those that the operator allows.
    ///
    /// # Errors
    /// When no HTTPS client can be built on this machine.
    pub fn new(allow_networks: &[IpNet]) -> Result<Self, BuildError> {
        Self::with_lookup(allow_networks, Arc::new(SystemLookup::new()))
    }

    /// The same, with names looked up in another way.
    ///
    /// # Errors
    /// When no HTTPS client can be built on this machine.
    pub fn with_lookup(allow_networks: &[IpNet], lookup: Arc<dyn Lookup>) -> Result<Self, BuildError> {
        Self::with_parts(allow_networks, lookup, tls::system_roots()?)
    }

    pub(crate) fn with_parts(
        allow_networks: &[IpNet],
        lookup: Arc<dyn Lookup>,
        tls: rustls::ClientConfig,
    ) -> Result<Self, BuildError> {
        let operator = Arc::new(NetworkList::new(allow_networks));
        let clients = Clients::new(lookup, operator.clone(), tls)?;
        Ok(Self { operator, clients })
    }

    async fn exchange(&self, request: OutboundRequest, plain: bool) -> Result<OutboundResponse, Failed> {
        let client = self.clients.get(plain, &request.allowed_networks)?;
        let mut outgoing = reqwest::Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        let mut response = client.execute(outgoing).await?;
        let (body, body_truncated) = read_body(&mut response, request.keep_body_bytes).await?;
        let status = response.status().as_u16();
        Ok(OutboundResponse { status, headers: std::mem::take(response.headers_mut()), body, body_truncated })
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.check_url(&request.url, &request.allowed_networks).map_err(OutboundError::Refused)?;
        let plain = request.url.scheme() == "http";
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, self.exchange(request, plain)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(Failed::Exchange(error))) => Err(failure::explain(error, host, timeout)),
            Ok(Err(Failed::Build(error))) => Err(OutboundError::Connect { reason: error.to_string() }),
            Err(_) => Err(OutboundError::TimedOut { timeout }),
        }
    }

    fn check_url(&self, url: &Url, allowed_networks: &[IpNet]) -> Result<(), Refusal> {
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(Refusal::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Authority);
        }
        let literal: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            // No address that a name resolves to can be allowed by an empty list.
            Some(Host::Domain(_)) if plain && self.operator.is_empty() => return Err(Refusal::Scheme),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Refusal::Authority),
        };
        let endpoint = NetworkList::new(allowed_networks);
        Rules { operator: self.operator.clone(), endpoint, plain }.vet(literal).map(|_| ())
    }
}

/// Why there was no answer.
enum Failed {
    Build(BuildError),
    Exchange(reqwest::Error),
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self::Exchange(error)
    }
}

/// Reads a body up to the bound. Answers its beginning, and whether there was more than that.
async fn read_body(response: &mut reqwest::Response, keep: usize) -> Result<(Bytes, bool), reqwest::Error> {
    let mut kept = BytesMut::new();
    let mut read = 0;
    while read <= READ_BODY_BYTES
        && let Some(chunk) = response.chunk().await?
    {
        read += chunk.len();
        let wanted = keep.saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..wanted]);
    }
    let truncated = read > kept.len();
    Ok((kept.freeze(), truncated))
}
