//! The only way out to a receiver over HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use ipnet::IpNet;
use url::Url;

/// A request to a receiver.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Arc<Url>,
    /// The headers; `Host` and `Content-Length` are added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long everything may take, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// Addresses outside of these networks are refused; empty for any that the deployment allows.
    pub allowed_networks: Vec<IpNet>,
    /// How many bytes of the answer's body are kept.
    pub keep_body_bytes: usize,
}

/// What the receiver answered.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub body: Bytes,
    /// Whether there was more of it.
    pub body_truncated: bool,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address may not be used: trying again will not help until someone changes something.
    #[error("{0}")]
    Refused(Refusal),
    /// The name does not resolve.
    #[error("the name {host} cannot be resolved")]
    Unresolved {
        /// The name.
        host: String,
    },
    /// Nothing was answered in time.
    #[error("no answer within {} ms", timeout.as_millis())]
    TimedOut {
        /// The time that was given.
        timeout: Duration,
    },
    /// No connection could be made: refused, unreachable, or TLS failed.
    #[error("no connection: {reason}")]
    Connect {
        /// Why, in words that carry no secret.
        reason: String,
    },
    /// The connection broke, or what was answered is not HTTP.
    #[error("the exchange broke off: {reason}")]
    Broken {
        /// Why, in words that carry no secret.
        reason: String,
    },
}

/// Why an address may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither https nor http.
    #[error("the URL must begin with https:// (http:// only for addresses that the operator allows)")]
    Scheme,
    /// No host, or a user name in it.
    #[error("the URL must have a host and no user name or password")]
    Authority,
    /// An address that is not public.
    #[error(
        "the address {address} is {kind}; only public addresses, and those that the operator allows, are called"
    )]
    Forbidden {
        /// The address.
        address: IpAddr,
        /// What it is, such as "a loopback address".
        kind: &'static str,
    },
    /// Plain http to an address that the operator does not allow by name.
    #[error(
        "plain http:// is only used for addresses that the operator allows, and {address} is not one; use https://"
    )]
    Plain {
        /// The address.
        address: IpAddr,
    },
    /// An address outside of the endpoint's own list.
    #[error("the address {address} is not in the endpoint's ip_allowlist")]
    NotListed {
        /// The address.
        address: IpAddr,
    },
}

/// Sends requests to receivers, behind a guard that decides which addresses may be called. Redirects are not
/// followed.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends a request and reads the answer up to a bound.
    ///
    /// # Errors
    /// When there was no answer.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;

    /// What can be said of a URL before a name is looked up: refuses wrong schemes and literal addresses.
    ///
    /// # Errors
    /// Why it may not be used.
    fn check_url(&self, url: &Url, allowed_networks: &[IpNet]) -> Result<(), Refusal>;
}
