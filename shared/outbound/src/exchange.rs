//! One request and its answer.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::ACCEPT;
use http::uri::InvalidUri;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::ResponseFuture;
use ipnet::IpNet;
use postrider_application::ports::outbound::{
    Outbound, OutboundError, OutboundRequest, OutboundResponse, Refusal,
};
use url::{Host, Url};

use crate::clients::Clients;
use crate::failure::Failure;
use crate::lookup::{Lookup, SystemLookup};
use crate::networks::NetworkList;
use crate::rules::Rules;
use crate::tls::{self, NoRoots};

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
    /// When this machine has no root certificates.
    pub fn new(allow_networks: &[IpNet]) -> Result<Self, NoRoots> {
        Self::with_lookup(allow_networks, Arc::new(SystemLookup::new()))
    }

    /// The same, with names looked up in another way.
    ///
    /// # Errors
    /// When this machine has no root certificates.
    pub fn with_lookup(allow_networks: &[IpNet], lookup: Arc<dyn Lookup>) -> Result<Self, NoRoots> {
        Ok(Self::with_parts(allow_networks, lookup, tls::system_roots()?))
    }

    pub(crate) fn with_parts(
        allow_networks: &[IpNet],
        lookup: Arc<dyn Lookup>,
        tls: rustls::ClientConfig,
    ) -> Self {
        let operator = Arc::new(NetworkList::new(allow_networks));
        let clients = Clients::new(lookup, operator.clone(), tls);
        Self { operator, clients }
    }

    /// Begins an exchange. What is waited for holds nothing of the request: there are many at a time.
    fn begin(&self, request: OutboundRequest, plain: bool) -> Result<ResponseFuture, InvalidUri> {
        let client = self.clients.get(plain, &request.allowed_networks);
        let mut outgoing = Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = request.url.as_str().parse()?;
        *outgoing.headers_mut() = request.headers;
        outgoing.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        Ok(client.request(outgoing))
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.check_url(&request.url, &request.allowed_networks).map_err(OutboundError::Refused)?;
        let plain = request.url.scheme() == "http";
        let (url, timeout, keep) = (Arc::clone(&request.url), request.timeout, request.keep_body_bytes);
        let response = self.begin(request, plain);
        match tokio::time::timeout(timeout, finish(response, keep)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(failure)) => Err(failure.explain(url.host_str().unwrap_or_default(), timeout)),
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

/// Waits for an answer, and reads it.
async fn finish(
    response: Result<ResponseFuture, InvalidUri>,
    keep: usize,
) -> Result<OutboundResponse, Failure> {
    let (head, body) = response?.await?.into_parts();
    let (body, body_truncated) = read_body(body, keep).await?;
    Ok(OutboundResponse { status: head.status.as_u16(), headers: head.headers, body, body_truncated })
}

/// Reads a body up to the bound. Answers its beginning, and whether there was more than that.
async fn read_body(mut body: Incoming, keep: usize) -> Result<(Bytes, bool), hyper::Error> {
    let mut kept = BytesMut::new();
    let mut read = 0;
    while read <= READ_BODY_BYTES
        && let Some(frame) = body.frame().await
    {
        let Ok(chunk) = frame?.into_data() else { continue };
        read += chunk.len();
        let wanted = keep.saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..wanted]);
    }
    let truncated = read > kept.len();
    Ok((kept.freeze(), truncated))
}
