//! The HTTP clients: one for each set of rules.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::ClientConfig;

use crate::guard::Guard;
use crate::lookup::Lookup;
use crate::networks::NetworkList;
use crate::rules::Rules;

/// How long a connection may take: name, TCP and TLS. Several addresses of a name share it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: most servers and load balancers keep theirs for 60 s or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// How many idle connections to one host are kept: more than are ever used at a time, because closing and
/// opening them anew costs more than everything else in an attempt.
const IDLE_CONNECTIONS: usize = 1024;

/// How many clients are kept for endpoints with their own list of addresses.
const RESTRICTED_CLIENTS: usize = 256;

/// The HTTP client cannot be built on this machine.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There are no root certificates to check receivers' certificates with.
    #[error("no root certificates are found; install the package ca-certificates, or set SSL_CERT_FILE")]
    Roots(#[source] rustls::Error),
    /// The client does not take its settings.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// A client for each set of rules, because a client keeps connections open: one that was made for the
/// addresses of one endpoint must not serve another endpoint, whose rules would have refused them.
pub(crate) struct Clients {
    builder: Builder,
    https: Client,
    plain: Client,
    restricted: Mutex<Restricted>,
}

/// The clients of endpoints with their own list of addresses, and when each was used last.
#[derive(Default)]
struct Restricted {
    clients: HashMap<(bool, NetworkList), (Client, u64)>,
    uses: u64,
}

impl Clients {
    pub(crate) fn new(
        lookup: Arc<dyn Lookup>,
        operator: Arc<NetworkList>,
        tls: ClientConfig,
    ) -> Result<Self, BuildError> {
        let builder = Builder { lookup, operator, tls };
        let https = builder.build(false, NetworkList::default())?;
        let plain = builder.build(true, NetworkList::default())?;
        Ok(Self { builder, https, plain, restricted: Mutex::default() })
    }

    /// The client for requests over plain http or https that go to these networks only, or anywhere when
    /// there are none.
    pub(crate) fn get(&self, plain: bool, endpoint: &[IpNet]) -> Result<Client, BuildError> {
        if endpoint.is_empty() {
            return Ok(if plain { self.plain.clone() } else { self.https.clone() });
        }
        let key = (plain, NetworkList::new(endpoint));
        if let Some(client) = self.restricted().find(&key) {
            return Ok(client);
        }
        let client = self.builder.build(plain, key.1.clone())?;
        Ok(self.restricted().insert(key, client))
    }

    fn restricted(&self) -> MutexGuard<'_, Restricted> {
        self.restricted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Restricted {
    fn find(&mut self, key: &(bool, NetworkList)) -> Option<Client> {
        self.uses += 1;
        let (client, used) = self.clients.get_mut(key)?;
        *used = self.uses;
        Some(client.clone())
    }

    /// Keeps a client; one that was kept in the meantime wins.
    fn insert(&mut self, key: (bool, NetworkList), client: Client) -> Client {
        if self.clients.len() >= RESTRICTED_CLIENTS {
            let oldest = self.clients.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.map(|key| self.clients.remove(&key));
        }
        self.uses += 1;
        self.clients.entry(key).or_insert((client, self.uses)).0.clone()
    }
}

/// Builds clients that differ in their rules only.
struct Builder {
    lookup: Arc<dyn Lookup>,
    operator: Arc<NetworkList>,
    tls: ClientConfig,
}

impl Builder {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that builds clients, with the guard"
    )]
    fn build(&self, plain: bool, endpoint: NetworkList) -> Result<Client, BuildError> {
        let rules = Rules { operator: self.operator.clone(), endpoint, plain };
        let builder = Client::builder()
            .https_only(!plain)
            .dns_resolver(Guard { lookup: self.lookup.clone(), rules })
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tls_backend_preconfigured(self.tls.clone());
        builder.build().map_err(BuildError::Client)
    }
}
