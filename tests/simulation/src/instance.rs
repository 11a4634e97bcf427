//! One instance of the functions, with what it keeps in memory and a clock of its own.

use std::sync::Arc;

use postrider_application::deliver::{Deliver, OpenEndpoints};
use postrider_application::endpoints::{ChangeStatus, ManageEndpoints, Secrets};
use postrider_application::fan_out::FanOut;
use postrider_application::ingest::Ingest;
use postrider_application::jobs::{ManageJobs, RunJobs};
use postrider_application::ports::{
    Blobs, Channel, Channels, Clock, Entropy, Queue, QueueName, QueueRecord, Table, Vault,
};
use postrider_application::record_dead_letter::RecordDeadLetter;
use postrider_application::redeliver::Redeliver;
use postrider_application::release::Release;
use postrider_application::schedule::Schedule;
use postrider_application::stores::{DeadLetters, Deliveries, Endpoints, Events, Jobs, Tenants, Unreadable};

/// The ports that an instance is made of.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) table: Arc<dyn Table>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) channel: Arc<dyn Channel>,
}

/// All functions of one process.
pub(crate) struct Instance {
    pub(crate) ingest: Ingest,
    pub(crate) manage: ManageEndpoints,
    pub(crate) status: ChangeStatus,
    pub(crate) redeliver: Redeliver,
    pub(crate) jobs: ManageJobs,
    pub(crate) schedule: Schedule,
    fan_out: FanOut,
    deliver: Deliver,
    record: RecordDeadLetter,
}

impl Instance {
    /// A new one, with nothing in memory.
    pub(crate) fn new(ports: &Ports, clock: Arc<dyn Clock>) -> Self {
        let Ports { table, queue, blobs, vault, entropy, channel } = ports.clone();
        let endpoints = Endpoints::new(table.clone());
        let (events, deliveries) = (Events::new(table.clone()), Deliveries::new(table.clone()));
        let (dead_letters, jobs) = (DeadLetters::new(table.clone()), Jobs::new(table.clone()));
        let (tenants, unreadable) = (Tenants::new(table.clone()), Unreadable::new(table));
        let secrets = Secrets::new(vault, entropy.clone());
        let status = ChangeStatus::new(endpoints.clone(), queue.clone(), clock.clone());
        let release = Release::new(endpoints.clone(), deliveries.clone(), events.clone(), queue.clone());
        let open = OpenEndpoints::new(endpoints.clone(), secrets.clone(), channel.clone(), clock.clone());
        let redeliver = Redeliver::new(
            endpoints.clone(),
            deliveries.clone(),
            events.clone(),
            dead_letters.clone(),
            queue.clone(),
            clock.clone(),
        );
        Self {
            ingest: Ingest::new(
                events.clone(),
                endpoints.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                entropy.clone(),
            ),
            manage: ManageEndpoints::new(
                endpoints.clone(),
                Channels::new(vec![channel]),
                secrets,
                clock.clone(),
                entropy.clone(),
            ),
            schedule: Schedule::new(deliveries.clone(), events, queue.clone(), clock.clone()),
            fan_out: FanOut::new(
                endpoints,
                deliveries.clone(),
                queue.clone(),
                blobs.clone(),
                clock.clone(),
                release,
                RunJobs::new(jobs.clone(), redeliver.clone()),
            ),
            deliver: Deliver::new(
                deliveries.clone(),
                open,
                status.clone(),
                queue,
                blobs,
                clock.clone(),
                entropy.clone(),
            ),
            jobs: ManageJobs::new(jobs.clone(), redeliver.clone(), entropy.clone()),
            record: RecordDeadLetter::new(deliveries, dead_letters, jobs, tenants, unreadable, clock),
            redeliver,
            status,
        }
    }

    /// Deals with a batch of a queue. Answers what must come again.
    pub(crate) async fn handle(&self, queue: QueueName, batch: Vec<QueueRecord>) -> Vec<String> {
        match queue {
            QueueName::Events => self.fan_out.handle(batch).await,
            QueueName::Channel(_) | QueueName::Express(_) => self.deliver.handle(batch).await,
            QueueName::EventsDead | QueueName::ChannelDead(_) => self.record.handle(batch).await,
        }
    }
}
