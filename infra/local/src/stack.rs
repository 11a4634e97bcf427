//! Everything that runs, built on the embedded ports: the API's services and the consumers of the queues.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use postrider_application::access::{Authenticator, Keys};
use postrider_application::cancel_event::CancelEvent;
use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, ManageEndpoints, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::Ingest;
use postrider_application::jobs::{ManageJobs, RunJobs};
use postrider_application::links::{DataLinks, PublicUrl, ReadData};
use postrider_application::ports::{Blobs, Clock, Entropy, Queue, QueueName, Vault};
use postrider_application::publish_limits::PublishLimits;
use postrider_application::query::Lookup;
use postrider_application::reconcile::{self, Reconcile};
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::reseal::Reseal;
use postrider_application::schedule::{self, Schedule};
use postrider_application::stores::{
    ApiKeys, DeadLetters, Deliveries, Endpoints, Events, Jobs, ResealJobs, Tenants, Unreadable,
};
use postrider_application::system::{SystemClock, SystemEntropy};
use postrider_channels::webhook::WebhookChannel;
use postrider_domain::{ChannelKind, CircuitRules};
use postrider_embedded::{
    DataDir, EmbeddedTable, EventSource, EventSourceConfig, FolderBlobs, Grouping, LocalQueues, LocalVault,
    MemoryBlobs,
};
use postrider_http_api::{IngestServices, ManageServices, QueryServices, Services};
use postrider_outbound::HttpOutbound;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often expired items are removed. DynamoDB takes up to two days.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// How events are matched: in batches, and again soon when something failed.
const FAN_OUT: EventSourceConfig = EventSourceConfig {
    batch_size: 10,
    concurrency: 4,
    grouping: Grouping::Together,
    visibility: Duration::from_secs(30),
};

/// How deliveries are attempted: an attempt may take 30 s, so messages are hidden for longer than that. One that
/// takes long holds none of the other 639 places.
const DELIVER: EventSourceConfig = EventSourceConfig {
    batch_size: 10,
    concurrency: 64,
    grouping: Grouping::Apart,
    visibility: Duration::from_secs(90),
};

/// How urgent deliveries are attempted: past the others, and seldom many.
const DELIVER_EXPRESS: EventSourceConfig = EventSourceConfig { concurrency: 16, ..DELIVER };

/// How many bytes of large payloads are in memory at a time for attempts: 25 of the largest for an endpoint, and as
/// many for the others.
const PAYLOAD_ROOM: u64 = 256_000_000;

/// How dead letters are recorded.
const RECORD: EventSourceConfig = EventSourceConfig {
    batch_size: 10,
    concurrency: 1,
    grouping: Grouping::Apart,
    visibility: Duration::from_secs(30),
};

/// The embedded ports.
struct Ports {
    table: Arc<EmbeddedTable>,
    queues: Arc<LocalQueues>,
    blobs: Arc<dyn Blobs>,
    vault: LocalVault,
    /// Held for its lock.
    data_dir: Option<DataDir>,
}

impl Ports {
    fn in_memory(clock: Arc<dyn Clock>, platform_key: Option<SecretString>) -> anyhow::Result<Self> {
        Ok(Self {
            table: Arc::new(EmbeddedTable::in_memory()?),
            queues: LocalQueues::in_memory(clock),
            blobs: Arc::new(MemoryBlobs::default()),
            vault: LocalVault::in_memory(&SystemEntropy, platform_key),
            data_dir: None,
        })
    }

    fn in_folder(
        path: &Path,
        clock: Arc<dyn Clock>,
        platform_key: Option<SecretString>,
    ) -> anyhow::Result<Self> {
        let data_dir = DataDir::open(path)?;
        Ok(Self {
            table: Arc::new(EmbeddedTable::in_file(&data_dir.join("table.sqlite"))?),
            queues: LocalQueues::in_file(&data_dir.join("queue"), clock)?,
            blobs: Arc::new(FolderBlobs::new(data_dir.join("blobs"))),
            vault: LocalVault::in_file(&data_dir.join("master.key"), &SystemEntropy, platform_key)?,
            data_dir: Some(data_dir),
        })
    }
}

/// What the operator chooses.
pub(crate) struct Settings<'a> {
    /// The networks that receivers may be in although they are not public.
    pub(crate) allowed: &'a [IpNet],
    /// The operator's key.
    pub(crate) platform_key: Option<SecretString>,
    /// When circuits open.
    pub(crate) circuit_rules: CircuitRules,
    /// What links to data begin with; `None` when no links can be made.
    pub(crate) public_url: Option<PublicUrl>,
}

/// The running system.
pub(crate) struct Stack {
    /// What the API calls.
    pub(crate) services: Services,
    /// For the built-in receiver, which verifies what it gets.
    pub(crate) endpoints: Endpoints,
    /// The same.
    pub(crate) secrets: Secrets,
    /// For the demo.
    pub(crate) tenants: Tenants,
    /// For the demo.
    pub(crate) clock: Arc<dyn Clock>,
    queues: Arc<LocalQueues>,
    consumers: JoinSet<()>,
    stop: watch::Sender<bool>,
    data_dir: Option<DataDir>,
}

impl Stack {
    /// Builds and starts everything but the HTTP server. `folder` is where to keep it; `None` keeps nothing.
    pub(crate) async fn start(folder: Option<&Path>, settings: Settings<'_>) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let ports = match folder {
            Some(path) => Ports::in_folder(path, Arc::clone(&clock), settings.platform_key)?,
            None => Ports::in_memory(Arc::clone(&clock), settings.platform_key)?,
        };
        let Ports { table, queues, blobs, vault, data_dir } = ports;
        let queue: Arc<dyn Queue> = Arc::clone(&queues) as Arc<dyn Queue>;
        let outbound =
            Arc::new(HttpOutbound::new(settings.allowed).context("cannot prepare outgoing requests")?);

        let (tenants, api_keys) = (Tenants::new(table.clone()), ApiKeys::new(table.clone()));
        let endpoints = Endpoints::new(table.clone());
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let dead_letters = DeadLetters::new(table.clone());
        let (jobs, unreadable) = (Jobs::new(table.clone()), Unreadable::new(table.clone()));
        let vault: Arc<dyn Vault> = Arc::new(vault);
        let secrets = Secrets::new(vault.clone(), entropy.clone());
        let change_status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());

        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters.clone(),
            queue.clone(),
            clock.clone(),
        );
        let fan_out = Arc::new(FanOut::new(
            endpoints.clone(),
            deliveries.clone(),
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            release,
            RunJobs::new(jobs.clone(), redeliver.clone()),
        ));
        let links = settings.public_url.map(|url| DataLinks::new(url, vault.clone()));
        let has_links = links.is_some();
        let webhook = Arc::new(WebhookChannel::new(outbound.clone()).linking(has_links));
        let open_endpoints = OpenEndpoints::new(endpoints.clone(), secrets.clone(), webhook, clock.clone());
        let deliver = Deliver::new(
            deliveries.clone(),
            open_endpoints,
            change_status.clone(),
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            entropy.clone(),
        );
        // The data folder is this process's alone, so whoever claimed anything before has ended.
        let deliver = deliver.alone_since(clock.now()).circuit_rules(settings.circuit_rules);
        let deliver = Arc::new(deliver.linking(links).payload_room(PAYLOAD_ROOM));
        let record = Arc::new(RecordDeadLetter::new(
            deliveries.clone(),
            dead_letters.clone(),
            jobs.clone(),
            tenants.clone(),
            unreadable.clone(),
            clock.clone(),
        ));

        let authenticator =
            Arc::new(Authenticator::new(api_keys.clone(), tenants.clone(), vault.clone(), clock.clone()));
        let ingest = Ingest::new(
            events.clone(),
            endpoints.clone(),
            queue.clone(),
            blobs.clone(),
            clock.clone(),
            entropy.clone(),
        );
        let limits = Arc::new(PublishLimits::new(tenants.clone(), clock.clone(), entropy.clone()));
        let due = Schedule::new(deliveries.clone(), events.clone(), queue.clone(), clock.clone());
        let reconcile =
            Reconcile::new(events.clone(), deliveries.clone(), tenants.clone(), queue.clone(), clock.clone());
        let reseal = Reseal::new(
            endpoints.clone(),
            tenants.clone(),
            ResealJobs::new(table.clone()),
            secrets.clone(),
            clock.clone(),
        );
        let services = Services {
            ingest: IngestServices {
                authenticator: authenticator.clone(),
                ingest: ingest.clone().limited(limits),
            },
            query: QueryServices {
                authenticator: authenticator.clone(),
                data: ReadData::new(events.clone(), blobs.clone(), vault, clock.clone()),
                lookup: Lookup::new(endpoints.clone(), events.clone(), deliveries, blobs),
                endpoints: endpoints.clone(),
                dead_letters,
                unreadable,
                jobs: jobs.clone(),
                clock: clock.clone(),
            },
            manage: ManageServices {
                authenticator,
                endpoints: endpoints.clone(),
                manage: ManageEndpoints::new(
                    endpoints.clone(),
                    postrider_channels::channels(outbound, has_links),
                    secrets.clone(),
                    clock.clone(),
                    entropy.clone(),
                ),
                status: change_status,
                ingest,
                cancel: CancelEvent::new(events, clock.clone()),
                jobs: ManageJobs::new(jobs, redeliver.clone(), entropy.clone()),
                redeliver,
                keys: Arc::new(Keys::new(api_keys, tenants.clone(), clock.clone(), entropy)),
                tenants: tenants.clone(),
                reseal: reseal.clone(),
                clock: clock.clone(),
            },
        };

        let (stop, stopped) = watch::channel(false);
        let mut consumers = JoinSet::new();
        let mut consume = |queue: QueueName,
                           config: EventSourceConfig,
                           handler: postrider_embedded::queue::Handler| {
            consumers.spawn(EventSource::new(queues.clone(), queue, config, handler).run(stopped.clone()));
        };
        consume(
            QueueName::Events,
            FAN_OUT,
            Arc::new(move |records| {
                let fan_out = fan_out.clone();
                Box::pin(async move { fan_out.handle(records).await })
            }),
        );
        let deliver: postrider_embedded::queue::Handler = Arc::new(move |records| {
            let deliver = deliver.clone();
            Box::pin(async move { deliver.handle(records).await })
        });
        consume(QueueName::Channel(ChannelKind::Webhook), DELIVER, deliver.clone());
        consume(QueueName::Express(ChannelKind::Webhook), DELIVER_EXPRESS, deliver);
        let record: postrider_embedded::queue::Handler = Arc::new(move |records| {
            let record = record.clone();
            Box::pin(async move { record.handle(records).await })
        });
        for dead in [QueueName::EventsDead, QueueName::ChannelDead(ChannelKind::Webhook)] {
            consume(dead, RECORD, record.clone());
        }
        consumers.spawn(sweep(table, clock.clone(), stopped.clone()));
        consumers.spawn(keep_schedule(due, reconcile, reseal, clock.clone(), stopped));
        Ok(Self { services, endpoints, secrets, tenants, clock, queues, consumers, stop, data_dir })
    }

    /// A file in the data folder; `None` when nothing is kept.
    pub(crate) fn file(&self, name: &str) -> Option<std::path::PathBuf> {
        self.data_dir.as_ref().map(|folder| folder.join(name))
    }

    /// Takes no new work, lets what is under way end, and leaves everything on record.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.consumers.join_next().await.is_some() {}
        self.queues.flush().await;
    }
}

/// Sends what is due and counts what is over, at the start and every minute, as EventBridge calls the function
/// `schedule`.
async fn keep_schedule(
    due: Schedule,
    reconcile: Reconcile,
    reseal: Reseal,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if let Err(error) = due.run(schedule::INTERVAL).await {
            tracing::warn!(%error, "what is due could not be sent");
        }
        if let Err(error) = reconcile.run(reconcile::TIME).await {
            tracing::warn!(%error, "what was accepted could not be counted; it goes on in a minute");
        }
        if let Err(error) = reseal.run(schedule::INTERVAL).await {
            tracing::warn!(%error, "sealing everything again broke off; it goes on in a minute");
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = clock.sleep(schedule::INTERVAL) => {}
        }
    }
}

/// Removes expired items from time to time.
async fn sweep(table: Arc<EmbeddedTable>, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = table.remove_expired(clock.now()).await {
            tracing::warn!(%error, "expired items could not be removed");
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = clock.sleep(SWEEP) => {}
        }
    }
}
