//! What a delivery passes before an attempt: there is a place among those for its endpoint, and a token of the
//! endpoint's rate, or it waits; its endpoint is active, and its endpoint's circuit lets it through, or it is parked.
//! None of that is an attempt.

mod circuit;
pub(super) mod crowd;
mod rate;

use std::sync::Arc;

use postrider_domain::circuit::{CircuitRules, Pass};
use postrider_domain::{Attempt, Endpoint, EndpointStatus, Outcome};

use self::circuit::CircuitGate;
use crate::endpoints::{Breaker, EndpointError};
use crate::ports::{Clock, TableError};

/// Whether an attempt may be made.
pub(super) enum Entry {
    /// It may. What it came to is told to [`Gate::leave`].
    Passed(Pass),
    /// Its delivery is parked, for this reason.
    Parked(String),
}

/// What a circuit asks of an attempt, which itself goes on record before the circuit is told.
pub(super) struct AttemptSummary {
    outcome: Outcome,
    is_answered: bool,
    error: Option<String>,
}

impl AttemptSummary {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let (outcome, is_answered) = (attempt.outcome, attempt.response.is_some());
        Self { outcome, is_answered, error: attempt.error.clone() }
    }
}

/// The gate of a worker.
pub(super) struct Gate {
    breaker: Breaker,
    circuit: CircuitGate,
}

impl Gate {
    pub(super) fn new(breaker: Breaker, clock: Arc<dyn Clock>) -> Self {
        Self { circuit: CircuitGate::new(breaker.clone(), clock), breaker }
    }

    /// The same gate with other rules for circuits.
    pub(super) fn circuit_rules(&mut self, rules: CircuitRules) {
        self.circuit.rules = rules;
    }

    /// Asks for an attempt.
    pub(super) async fn enter(&self, endpoint: &Endpoint) -> Result<Entry, TableError> {
        match is_off(endpoint) {
            Some(why) => Ok(Entry::Parked(why)),
            None => self.circuit.enter(endpoint).await,
        }
    }

    /// Why an attempt could not be made, as far as it is known without asking for it.
    pub(super) async fn refuses(&self, endpoint: &Endpoint) -> Result<Option<String>, TableError> {
        match is_off(endpoint) {
            Some(why) => Ok(Some(why)),
            None => self.circuit.refuses(endpoint).await,
        }
    }

    /// Tells what the attempt came to. What cannot be done about it now is made up for later, so there is no error.
    /// Answers whether the endpoint that was used is out of date.
    pub(super) async fn leave(&self, endpoint: &Endpoint, pass: Pass, attempt: &AttemptSummary) -> bool {
        self.circuit.leave(endpoint, pass, attempt).await
    }

    /// The version of an endpoint that would let a delivery pass, which was just parked for it: whatever was
    /// released meanwhile went past it.
    pub(super) async fn passes_after_all(&self, endpoint: &Endpoint) -> Result<Option<u64>, EndpointError> {
        let Some(now) = self.breaker.endpoint(&endpoint.tenant, endpoint.id).await? else {
            return Ok(None);
        };
        let passes = now.status == EndpointStatus::Active && self.circuit.would_admit(endpoint).await?;
        Ok(passes.then_some(now.version))
    }
}

/// Why nothing is attempted, whatever its circuit says.
fn is_off(endpoint: &Endpoint) -> Option<String> {
    (endpoint.status != EndpointStatus::Active).then(|| format!("the endpoint is {}", endpoint.status))
}
