//! Creating, changing and removing endpoints.

mod manage;
mod patch;
mod rotate;
mod secrets;
mod status;

use postrider_domain::signature::{MAX_LIVE_KEYS, TooManyKeys};
use postrider_domain::{EndpointId, FieldProblem};

pub use manage::{Changes, ManageEndpoints, NewEndpoint};
pub use rotate::{Rotated, Rotation};
pub use secrets::{OpenSecrets, Secrets, SecretsError};
pub use status::ChangeStatus;

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

impl From<TooManyKeys> for EndpointError {
    fn from(refused: TooManyKeys) -> Self {
        Self::TooManyKeys(refused)
    }
}
