//! Creating, changing and removing endpoints.

mod breaker;
mod manage;
mod parked;
mod patch;
mod rotate;
mod secrets;
mod status;

use postrider_domain::signature::{MAX_LIVE_KEYS, TooManyKeys};
use postrider_domain::{EndpointId, EndpointStatus, FieldProblem};

pub use breaker::Breaker;
pub use manage::{Changes, ManageEndpoints, NewEndpoint};
pub use parked::{ParkedChoice, UnknownChoice};
pub use rotate::{Rotated, Rotation};
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
    /// Somebody else replaced its keys at the same time.
    #[error(
        "the keys of the endpoint {0} were replaced by another request at the same time; look at them, then try again"
    )]
    RotatedMeanwhile(EndpointId),
    /// It signs with too many keys.
    #[error(
        "the endpoint signs with {MAX_LIVE_KEYS} keys of this kind already; wait until {}, \
         or use overlap_seconds 0, which ends the former ones at once",
        .0.until
    )]
    TooManyKeys(TooManyKeys),
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

impl From<TooManyKeys> for EndpointError {
    fn from(refused: TooManyKeys) -> Self {
        Self::TooManyKeys(refused)
    }
}
