//! Why there was no answer, told from the types of the errors and never from their texts.

use std::error::Error;
use std::time::Duration;

use postrider_application::ports::outbound::{OutboundError, Refusal};

use crate::clients::CONNECT_TIMEOUT;
use crate::guard::NoAddress;

/// Says what an error of the HTTP client means for the caller.
pub(crate) fn explain(error: reqwest::Error, host: String, timeout: Duration) -> OutboundError {
    // The URL may hold secrets in its query.
    let error = error.without_url();
    if let Some(refusal) = find::<Refusal>(&error) {
        return OutboundError::Refused(refusal.clone());
    }
    if find::<NoAddress>(&error).is_some() {
        return OutboundError::Unresolved { host };
    }
    let connecting = error.is_connect();
    if error.is_timeout() {
        let limit = if connecting { timeout.min(CONNECT_TIMEOUT) } else { timeout };
        return OutboundError::TimedOut { timeout: limit };
    }
    let reason = root_cause(&error);
    if connecting { OutboundError::Connect { reason } } else { OutboundError::Broken { reason } }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// The words of the last error of the chain, which says most.
fn root_cause(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
