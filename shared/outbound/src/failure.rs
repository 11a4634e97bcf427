//! Why there was no answer, told from the types of the errors and never from their texts.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::uri::InvalidUri;
use hyper_util::client::legacy;
use postrider_application::ports::outbound::{OutboundError, Refusal};

use crate::connector::CONNECT_TIMEOUT;
use crate::guard::NoAddress;

/// Where an exchange failed. None of these errors holds the URL, which may have secrets in its query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The URL is none that a request can have.
    #[error(transparent)]
    Url(#[from] InvalidUri),
    /// Before the answer's body.
    #[error(transparent)]
    Exchange(#[from] legacy::Error),
    /// In the answer's body.
    #[error(transparent)]
    Body(#[from] hyper::Error),
}

impl Failure {
    /// Says what it means for the caller.
    pub(crate) fn explain(&self, host: &str, timeout: Duration) -> OutboundError {
        if let Some(refusal) = self.find::<Refusal>() {
            return OutboundError::Refused(refusal.clone());
        }
        if self.find::<NoAddress>().is_some() {
            return OutboundError::Unresolved { host: host.to_owned() };
        }
        let connecting = matches!(self, Self::Exchange(error) if error.is_connect());
        if self.is_timeout() {
            let limit = if connecting { timeout.min(CONNECT_TIMEOUT) } else { timeout };
            return OutboundError::TimedOut { timeout: limit };
        }
        // The words of the last error of the chain say most.
        let reason = self.chain().last().map(ToString::to_string).unwrap_or_default();
        if connecting { OutboundError::Connect { reason } } else { OutboundError::Broken { reason } }
    }

    /// Whether the connector's time was up, or the system's: for a connection, or for an answer to its questions.
    fn is_timeout(&self) -> bool {
        let mut causes = self.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        causes.any(|cause| cause.kind() == io::ErrorKind::TimedOut)
    }

    fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(Some(self as &(dyn Error + 'static)), |&error| error.source())
    }

    fn find<E: Error + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|cause| cause.downcast_ref())
    }
}
