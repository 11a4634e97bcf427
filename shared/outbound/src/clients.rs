//! The HTTP clients: one for each set of rules.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ipnet::IpNet;
use rustls::ClientConfig;

use crate::connector::Connector;
use crate::guard::Guard;
use crate::lookup::Lookup;
use crate::networks::NetworkList;
use crate::rules::Rules;

/// How long an idle connection is kept: most servers and load balancers keep theirs for 60 s or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// How many idle connections to one host are kept: more than are ever used at a time, because closing and
/// opening them anew costs more than everything else in an attempt.
const IDLE_CONNECTIONS: usize = 1024;

/// How many clients are kept for endpoints with their own list of addresses.
const RESTRICTED_CLIENTS: usize = 256;

/// A client with its open connections.
pub(crate) type Client = Arc<legacy::Client<Connector, Full<Bytes>>>;

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
    pub(crate) fn new(lookup: Arc<dyn Lookup>, operator: Arc<NetworkList>, tls: ClientConfig) -> Self {
        let builder = Builder { lookup, operator, tls: Arc::new(tls) };
        let https = builder.build(false, NetworkList::default());
        let plain = builder.build(true, NetworkList::default());
        Self { builder, https, plain, restricted: Mutex::default() }
    }

    /// The client for requests over plain http or https that go to these networks only, or anywhere when
    /// there are none.
    pub(crate) fn get(&self, plain: bool, endpoint: &[IpNet]) -> Client {
        if endpoint.is_empty() {
            return Arc::clone(if plain { &self.plain } else { &self.https });
        }
        let key = (plain, NetworkList::new(endpoint));
        if let Some(client) = self.restricted().find(&key) {
            return client;
        }
        let client = self.builder.build(plain, key.1.clone());
        self.restricted().insert(key, client)
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
    tls: Arc<ClientConfig>,
}

impl Builder {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that builds clients, with the guard"
    )]
    fn build(&self, plain: bool, endpoint: NetworkList) -> Client {
        let rules = Rules { operator: self.operator.clone(), endpoint, plain };
        let guard = Guard { lookup: self.lookup.clone(), rules };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(Connector::new(guard, self.tls.clone()));
        Arc::new(client)
    }
}
