//! The circuit in front of an endpoint, as a worker knows it.
//!
//! A worker reads a circuit from time to time, not for each delivery, and writes it when an attempt says something
//! new: a failure, or a success after failures. Changes of one circuit are made one after the other, so that a batch
//! of failures is not lost against itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use futures::lock::Mutex as Turn;
use postrider_domain::circuit::{Admission, CircuitRules, Finding, Pass};
use postrider_domain::{Circuit, CircuitState, Endpoint, EndpointId, Outcome, TenantId, Timestamp};

use super::{AttemptSummary, Entry};
use crate::endpoints::Breaker;
use crate::ports::{Clock, TableError};

/// How long a circuit is trusted of an endpoint that works.
const CACHED: Duration = Duration::from_secs(10);

/// The same for one in trouble.
const CACHED_IN_TROUBLE: Duration = Duration::from_secs(1);

/// How many circuits are known at the most.
const CAPACITY: usize = 10_000;

/// The circuits as a worker knows them.
pub(super) struct CircuitGate {
    breaker: Breaker,
    clock: Arc<dyn Clock>,
    pub(super) rules: CircuitRules,
    places: Mutex<HashMap<(TenantId, EndpointId), Arc<Place>>>,
}

/// What is known of one circuit.
#[derive(Default)]
struct Place {
    known: Mutex<Option<Known>>,
    /// Held by who reads or changes it.
    turn: Turn<()>,
}

struct Known {
    circuit: Arc<Circuit>,
    since: Timestamp,
}

impl Place {
    /// The circuit, unless it was read too long ago.
    fn fresh(&self, now: Timestamp) -> Option<Arc<Circuit>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { circuit, since } = known.as_ref()?;
        let trusted = if circuit.is_untroubled() { CACHED } else { CACHED_IN_TROUBLE };
        (now >= *since && now.since(*since) < trusted).then(|| Arc::clone(circuit))
    }

    /// The circuit as it was known last, however long ago.
    fn last(&self) -> Option<Arc<Circuit>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| Arc::clone(&known.circuit))
    }

    fn keep(&self, circuit: Circuit, since: Timestamp) -> Arc<Circuit> {
        let circuit = Arc::new(circuit);
        let known = Known { circuit: Arc::clone(&circuit), since };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        circuit
    }
}

impl CircuitGate {
    pub(super) fn new(breaker: Breaker, clock: Arc<dyn Clock>) -> Self {
        Self { breaker, clock, rules: CircuitRules::default(), places: Mutex::default() }
    }

    /// Asks for an attempt.
    pub(super) async fn enter(&self, endpoint: &Endpoint) -> Result<Entry, TableError> {
        let place = self.place(endpoint);
        let circuit = self.known(&place, endpoint).await?;
        match circuit.admission(self.clock.now()) {
            Admission::Free => Ok(Entry::Passed(Pass::Ordinary)),
            Admission::AsProbe => Box::pin(self.probe(&place, endpoint)).await,
            Admission::Refused(_) => Ok(Entry::Parked(reason(&circuit))),
        }
    }

    /// Why the circuit lets nothing through now.
    pub(super) async fn refuses(&self, endpoint: &Endpoint) -> Result<Option<String>, TableError> {
        let circuit = self.known(&self.place(endpoint), endpoint).await?;
        let refuses = matches!(circuit.admission(self.clock.now()), Admission::Refused(_));
        Ok(refuses.then(|| reason(&circuit)))
    }

    /// Asks for the place of a probe.
    async fn probe(&self, place: &Place, endpoint: &Endpoint) -> Result<Entry, TableError> {
        let _turn = place.turn.lock().await;
        let now = self.clock.now();
        let (circuit, granted) = self.change(place, endpoint, now, |circuit| circuit.grant(now)).await?;
        Ok(match (granted, circuit.admission(now)) {
            (Some(pass), _) => Entry::Passed(pass),
            (None, Admission::Free) => Entry::Passed(Pass::Ordinary),
            (None, _) => Entry::Parked(reason(&circuit)),
        })
    }

    /// Tells what an attempt came to. Answers whether the endpoint that was used is out of date.
    pub(super) async fn leave(&self, endpoint: &Endpoint, pass: Pass, attempt: &AttemptSummary) -> bool {
        let place = self.place(endpoint);
        let finding = finding(attempt);
        let knows_better = |circuit: &Arc<Circuit>| pass == Pass::Ordinary && circuit.is_untroubled();
        if finding == Finding::Success && place.last().as_ref().is_none_or(knows_better) {
            return false;
        }
        Box::pin(self.take_in(&place, endpoint, pass, finding)).await
    }

    /// Learns from an attempt that tells something new.
    async fn take_in(
        &self,
        place: &Place,
        endpoint: &Endpoint,
        pass: Pass,
        mut finding: Finding<'_>,
    ) -> bool {
        let is_outdated = self.might_open(place, pass, finding) && self.is_outdated(endpoint).await;
        if is_outdated {
            // What failed was not what the owner wants by now.
            finding = Finding::Nothing;
        }
        if let Err(error) = self.learn(place, endpoint, pass, finding).await {
            let (tenant, endpoint) = (&endpoint.tenant, endpoint.id);
            let error = &error as &dyn std::error::Error;
            tracing::warn!(tenant.id = %tenant, endpoint.id = %endpoint, error, "the circuit was not kept");
        }
        is_outdated
    }

    /// Whether a finding is the one that opens the circuit, as far as it is known here.
    fn might_open(&self, place: &Place, pass: Pass, finding: Finding<'_>) -> bool {
        let enough = |circuit: Arc<Circuit>| {
            let counts = pass != Pass::Ordinary || circuit.state == CircuitState::Closed;
            counts && circuit.failures.saturating_add(1) >= self.rules.failures
        };
        matches!(finding, Finding::Failure(_)) && place.last().is_some_and(enough)
    }

    /// Whether the endpoint was changed since it was read.
    async fn is_outdated(&self, endpoint: &Endpoint) -> bool {
        match self.breaker.endpoint(&endpoint.tenant, endpoint.id).await {
            Ok(now) => now.is_none_or(|now| now.version != endpoint.version),
            Err(_) => false,
        }
    }

    async fn learn(
        &self,
        place: &Place,
        endpoint: &Endpoint,
        pass: Pass,
        finding: Finding<'_>,
    ) -> Result<(), crate::endpoints::EndpointError> {
        let turn = place.turn.lock().await;
        let now = self.clock.now();
        let learn = |circuit: &mut Circuit| circuit.learn(now, finding, pass, &self.rules).then_some(());
        let (circuit, changed) = self.change(place, endpoint, now, learn).await?;
        drop(turn);
        if changed.is_some() && !circuit.notices.is_empty() {
            let circuit = self.breaker.act(endpoint, Circuit::clone(&circuit)).await?;
            place.keep(circuit, self.clock.now());
        }
        Ok(())
    }

    /// Whether the circuit, as it is in the table now, would let something through.
    pub(super) async fn would_admit(&self, endpoint: &Endpoint) -> Result<bool, TableError> {
        let now = self.clock.now();
        let circuit = self.breaker.circuits().get(&endpoint.tenant, endpoint.id, true).await?;
        let circuit = self.place(endpoint).keep(circuit, now);
        Ok(!matches!(circuit.admission(now), Admission::Refused(_)))
    }

    /// The circuit, read when it is not known well enough: by one for all that wait for it.
    async fn known(&self, place: &Place, endpoint: &Endpoint) -> Result<Arc<Circuit>, TableError> {
        if let Some(circuit) = place.fresh(self.clock.now()) {
            return Ok(circuit);
        }
        Box::pin(self.read(place, endpoint)).await
    }

    async fn read(&self, place: &Place, endpoint: &Endpoint) -> Result<Arc<Circuit>, TableError> {
        let _turn = place.turn.lock().await;
        let now = self.clock.now();
        if let Some(circuit) = place.fresh(now) {
            return Ok(circuit);
        }
        let circuit = self.breaker.circuits().get(&endpoint.tenant, endpoint.id, false).await?;
        Ok(place.keep(circuit, now))
    }

    /// Changes the circuit from what is known of it. Whoever calls it has the turn.
    async fn change<T>(
        &self,
        place: &Place,
        endpoint: &Endpoint,
        now: Timestamp,
        change: impl FnMut(&mut Circuit) -> Option<T>,
    ) -> Result<(Arc<Circuit>, Option<T>), TableError> {
        let circuits = self.breaker.circuits();
        let known = place.last().map(Arc::unwrap_or_clone);
        let changed = circuits.change(&endpoint.tenant, endpoint.id, known, now, change).await?;
        Ok((place.keep(changed.0, now), changed.1))
    }

    fn place(&self, endpoint: &Endpoint) -> Arc<Place> {
        let key = (endpoint.tenant.clone(), endpoint.id);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= CAPACITY && !places.contains_key(&key) {
            places.clear();
        }
        Arc::clone(places.entry(key).or_default())
    }
}

/// What an attempt tells of its receiver.
fn finding(attempt: &AttemptSummary) -> Finding<'_> {
    match attempt.outcome {
        Outcome::Delivered => Finding::Success,
        Outcome::Retry => Finding::Failure(attempt.error.as_deref().unwrap_or("no details")),
        Outcome::Rejected if attempt.is_answered => Finding::Answered,
        Outcome::Rejected | Outcome::Gone => Finding::Nothing,
    }
}

/// Why a circuit lets nothing through.
fn reason(circuit: &Circuit) -> String {
    match (&circuit.state, &circuit.opened_by) {
        (CircuitState::Open { until: Some(until), .. }, None) => {
            format!("the endpoint's circuit is open until {until}")
        }
        (CircuitState::Open { until: Some(until), .. }, Some(by)) => {
            format!("the endpoint's circuit was opened by {by}, until {until}")
        }
        (CircuitState::Open { until: None, .. }, by) => {
            let by = by.as_deref().unwrap_or("somebody");
            format!("the endpoint's circuit was opened by {by}, until somebody closes it")
        }
        _ => "the endpoint's circuit is half open, and its probes are under way".to_owned(),
    }
}
