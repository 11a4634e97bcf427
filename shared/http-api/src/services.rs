//! What the routes call, in three parts: each function builds only its own.

use std::sync::Arc;

use postrider_application::access::{Authenticator, Keys};
use postrider_application::cancel_event::CancelEvent;
use postrider_application::endpoints::{ChangeStatus, ManageEndpoints};
use postrider_application::ingest::Ingest;
use postrider_application::jobs::ManageJobs;
use postrider_application::links::ReadData;
use postrider_application::ports::Clock;
use postrider_application::query::Lookup;
use postrider_application::redeliver::Redeliver;
use postrider_application::reseal::Reseal;
use postrider_application::stores::{DeadLetters, Endpoints, Jobs, Tenants, Unreadable};

/// What publishing needs.
#[derive(Clone)]
pub struct IngestServices {
    /// Tells who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Accepts events.
    pub ingest: Ingest,
}

/// What reading needs.
#[derive(Clone)]
pub struct QueryServices {
    /// Tells who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Finds events and deliveries.
    pub lookup: Lookup,
    /// Finds the data of events, also by links to it.
    pub data: ReadData,
    /// The endpoints, without their secrets.
    pub endpoints: Endpoints,
    /// The dead letters.
    pub dead_letters: DeadLetters,
    /// Messages of which nobody knows whose they are.
    pub unreadable: Unreadable,
    /// The jobs.
    pub jobs: Jobs,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What administration needs.
#[derive(Clone)]
pub struct ManageServices {
    /// Tells who is calling.
    pub authenticator: Arc<Authenticator>,
    /// The endpoints, to tell whether there is one.
    pub endpoints: Endpoints,
    /// Creates, changes and removes endpoints.
    pub manage: ManageEndpoints,
    /// Turns endpoints on and off.
    pub status: ChangeStatus,
    /// Accepts test events.
    pub ingest: Ingest,
    /// Cancels events.
    pub cancel: CancelEvent,
    /// Delivers again.
    pub redeliver: Redeliver,
    /// Starts, calls off and resumes jobs.
    pub jobs: ManageJobs,
    /// Makes and removes API keys.
    pub keys: Arc<Keys>,
    /// The tenants.
    pub tenants: Tenants,
    /// Seals everything again.
    pub reseal: Reseal,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the whole API needs.
#[derive(Clone)]
pub struct Services {
    /// What publishing needs.
    pub ingest: IngestServices,
    /// What reading needs.
    pub query: QueryServices,
    /// What administration needs.
    pub manage: ManageServices,
}
