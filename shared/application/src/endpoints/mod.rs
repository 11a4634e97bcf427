//! Creating, changing and removing endpoints.

mod breaker;
mod manage;
mod parked;
mod patch;
mod secrets;
mod status;

use postrider_domain::{EndpointId, EndpointStatus, FieldProblem};

pub use breaker::Breaker;
pub use manage::{Changes, ManageEndpoints, NewEndpoint};
pub use parked::{ParkedChoice, UnknownChoice};
pub use secrets::{OpenSecrets, Secrets, SecretsError};
pub use status::ChangeStatus;

use crate::announce::AnnounceError;
use crate::ports::{QueueError, TableError};

/// How often a change is tried again when others change the endpoint at the same time.
const TRIES: usize = 5;

/// An endpoint could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Fields are wrong.
    #[error("the endpoint is not valid")]
    Invalid(Vec<FieldProblem>),
    /// There is no such endpoint.
    #[error("there is no endpoint {0}")]
    Unknown(EndpointId),
    /// Somebody else kept changing it.
    #[error("the endpoint {0} kept changing; try again")]
    Contended(EndpointId),
    /// Its deliveries would only be parked again.
    #[error("the endpoint {0} is {1}: resume or enable it first")]
    NotActive(EndpointId, EndpointStatus),
    /// Its secrets cannot be opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl From<AnnounceError> for EndpointError {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Table(error) => Self::Table(error),
            AnnounceError::Queue(error) => Self::Queue(error),
        }
    }
}
