//! Why there was no answer, told from the types of the errors and never from their texts.

use std::error::Error;
use std::time::Duration;

use http::uri::InvalidUri;
use hyper_util::client::legacy;
use postrider_application::ports::outbound::{OutboundError, Refusal};

use crate::connector::{CONNECT_TIMEOUT, ConnectTimedOut};
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
    pub(crate) fn explain(&self, host: String, timeout: Duration) -> OutboundError {
        if let Some(refusal) = self.find::<Refusal>() {
            return OutboundError::Refused(refusal.clone());
        }
        if self.find::<NoAddress>().is_some() {
            return OutboundError::Unresolved { host };
        }
        if self.find::<ConnectTimedOut>().is_some() {
            return OutboundError::TimedOut { timeout: timeout.min(CONNECT_TIMEOUT) };
        }
        // The words of the last error of the chain say most.
        let reason = self.chain().last().map(ToString::to_string).unwrap_or_default();
        match self {
            Self::Exchange(error) if error.is_connect() => OutboundError::Connect { reason },
            _ => OutboundError::Broken { reason },
        }
    }

    fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(Some(self as &(dyn Error + 'static)), |&error| error.source())
    }

    fn find<E: Error + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|cause| cause.downcast_ref())
    }
}
