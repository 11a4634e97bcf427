//! Endpoints with secrets, on a table that fails or is used by somebody else at a chosen moment, and workers that
//! remember master keys as those on AWS do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use postrider_application::endpoints::{Changes, ManageEndpoints, NewEndpoint, Secrets};
use postrider_application::ports::table::{Item, Key, Page, Put, Query, Table, TableError, TableName, Write};
use postrider_application::ports::vault::KEYS_KNOWN_FOR;
use postrider_application::ports::{
    Channel, Channels, Clock, Destination, Freshness, MasterKey, MasterKeys, Vault, VaultError,
};
use postrider_application::reseal::Reseal;
use postrider_application::stores::tenants::Tenant;
use postrider_application::stores::{Endpoints, ResealJobs, Tenants};
use postrider_application::system::SystemEntropy;
use postrider_domain::signature::{KeyKind, KeyRing};
use postrider_domain::{ChannelKind, EndpointId, FieldProblem, TenantId, Timestamp};
use postrider_embedded::EmbeddedTable;
use postrider_testkit::faults::{FaultPlan, FaultyTable};
use serde_json::{Value, json};

/// Stands until it is moved.
pub(crate) struct StandingClock(AtomicU64);

impl StandingClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {}
}

/// Where the operator keeps the master keys, each a byte: the current one first.
#[derive(Default)]
pub(crate) struct Safe {
    keys: Mutex<Vec<u8>>,
    pub(crate) asked: AtomicUsize,
}

impl Safe {
    pub(crate) fn set(&self, keys: &[u8]) {
        *self.keys.lock().unwrap() = keys.to_vec();
    }
}

/// One worker's memory of them.
struct Remembering {
    safe: Arc<Safe>,
    clock: Arc<StandingClock>,
    known: Mutex<Option<(Vec<u8>, Timestamp)>>,
}

#[async_trait]
impl Vault for Remembering {
    async fn master_keys(&self, freshness: Freshness) -> Result<Arc<MasterKeys>, VaultError> {
        let (mut known, now) = (self.known.lock().unwrap(), self.clock.now());
        let is_fresh = |since: Timestamp| freshness != Freshness::New && now.since(since) < KEYS_KNOWN_FOR;
        let keys = match known.as_ref().filter(|(_, since)| is_fresh(*since)) {
            Some((keys, _)) => keys.clone(),
            None => {
                self.safe.asked.fetch_add(1, Ordering::SeqCst);
                let keys = self.safe.keys.lock().unwrap().clone();
                *known = Some((keys.clone(), now));
                keys
            }
        };
        let mut keys = keys.into_iter().map(|byte| MasterKey::new(Box::new([byte; 32])));
        Ok(Arc::new(MasterKeys { current: keys.next().unwrap(), older: keys.collect() }))
    }

    async fn platform_key(&self) -> Result<Option<secrecy::SecretString>, VaultError> {
        Ok(None)
    }
}

type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A table that somebody else uses right before the next transaction.
#[derive(Clone)]
pub(crate) struct Interposed {
    inner: Arc<dyn Table>,
    hook: Arc<Mutex<Option<Hook>>>,
}

#[async_trait]
impl Table for Interposed {
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError> {
        self.inner.get(table, key, consistent).await
    }

    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError> {
        self.inner.batch_get(table, keys).await
    }

    async fn put(&self, put: Put) -> Result<(), TableError> {
        self.inner.put(put).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook().await;
        }
        self.inner.transact(writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, TableError> {
        self.inner.query(query).await
    }
}

struct AnyChannel;

impl Channel for AnyChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn check(&self, _: &Value) -> Result<(), Vec<FieldProblem>> {
        Ok(())
    }

    fn mask(&self, _: &Value) -> Value {
        json!({})
    }

    fn signs_with(&self, config: &Value) -> &'static [KeyKind] {
        match config["kinds"].as_str() {
            Some("both") => &KeyKind::ALL,
            Some("ed25519") => &[KeyKind::Ed25519],
            _ => &[KeyKind::Hmac],
        }
    }

    fn open(&self, _: &Value, _: KeyRing) -> Result<Arc<dyn Destination>, Vec<FieldProblem>> {
        unreachable!("nothing is delivered here")
    }
}

/// A function instance, with its own memory.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) manage: ManageEndpoints,
    pub(crate) secrets: Secrets,
    pub(crate) reseal: Reseal,
}

pub(crate) struct Sealed {
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<StandingClock>,
    pub(crate) safe: Arc<Safe>,
    pub(crate) faults: Arc<FaultPlan>,
    hook: Arc<Mutex<Option<Hook>>>,
    faulty: Arc<dyn Table>,
    /// Without failures.
    pub(crate) endpoints: Endpoints,
    pub(crate) tenants: Tenants,
}

impl Sealed {
    /// With the master key 1 and the tenant acme.
    pub(crate) async fn new() -> Self {
        let table = Arc::new(EmbeddedTable::in_memory().unwrap());
        let faults = Arc::new(FaultPlan::default());
        let hook = Arc::default();
        let interposed = Interposed { inner: table.clone(), hook: Arc::clone(&hook) };
        let world = Self {
            tenant: "acme".parse().unwrap(),
            clock: Arc::new(StandingClock(AtomicU64::new(1_770_000_000_000))),
            safe: Arc::default(),
            faulty: Arc::new(FaultyTable::new(Arc::new(interposed), faults.clone())),
            faults,
            hook,
            endpoints: Endpoints::new(table.clone()),
            tenants: Tenants::new(table),
        };
        world.safe.set(&[1]);
        world.add_tenant("acme").await;
        world
    }

    pub(crate) async fn add_tenant(&self, id: &str) -> TenantId {
        let id: TenantId = id.parse().unwrap();
        let tenant = Tenant {
            id: id.clone(),
            name: id.to_string(),
            publish_limit: None,
            created_at: self.clock.now(),
            version: 0,
        };
        self.tenants.create(&tenant).await.unwrap();
        id
    }

    pub(crate) fn worker(&self) -> Worker {
        let (safe, clock) = (self.safe.clone(), self.clock.clone());
        let vault = Arc::new(Remembering { safe, clock, known: Mutex::default() });
        let (table, entropy) = (self.faulty.clone(), Arc::new(SystemEntropy));
        let secrets = Secrets::new(vault, entropy.clone());
        let (endpoints, tenants) = (Endpoints::new(table.clone()), Tenants::new(table.clone()));
        let channels = Channels::new(vec![Arc::new(AnyChannel)]);
        let (clock, jobs) = (self.clock.clone(), ResealJobs::new(table));
        let manage =
            ManageEndpoints::new(endpoints.clone(), channels, secrets.clone(), clock.clone(), entropy);
        let reseal = Reseal::new(endpoints, tenants, jobs, secrets.clone(), clock);
        Worker { manage, secrets, reseal }
    }

    /// Has this happen right before the next transaction.
    pub(crate) fn before_next_write<F: Future<Output = ()> + Send + 'static>(
        &self,
        what: impl FnOnce() -> F + Send + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Box::new(move || Box::pin(what())));
    }
}

impl Worker {
    pub(crate) async fn create(&self, tenant: &TenantId, config: Value) -> EndpointId {
        let fields = Changes { name: Some("test".to_owned()), config: Some(config), ..Changes::default() };
        let new = NewEndpoint { channel: ChannelKind::Webhook, fields };
        self.manage.create(tenant, new).await.unwrap().0.endpoint.id
    }

    pub(crate) async fn rename(&self, tenant: &TenantId, id: EndpointId, name: &str) {
        let changes = Changes { name: Some(name.to_owned()), ..Changes::default() };
        self.manage.update(tenant, id, changes).await.unwrap();
    }
}
