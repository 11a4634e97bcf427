//! How an endpoint is doing, and changes of its circuit by hand.

use std::time::Duration;

use postrider_application::query::Health;
use postrider_domain::{Circuit, FieldProblem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, Number, Shown};

/// The longest time for which a circuit can be opened by hand; without one it stays open until it is closed.
const LONGEST_OPEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A circuit.
#[derive(Serialize)]
pub(crate) struct CircuitBody<'a> {
    state: &'static str,
    consecutive_failures: u32,
    opened_at: Option<Shown<Timestamp>>,
    opened_by: Option<&'a str>,
    next_probe_at: Option<Shown<Timestamp>>,
    failing_since: Option<Shown<Timestamp>>,
    last_error: Option<&'a str>,
}

impl<'a> CircuitBody<'a> {
    pub(crate) fn new(circuit: &'a Circuit) -> Self {
        Self {
            state: circuit.state.as_str(),
            consecutive_failures: circuit.failures,
            opened_at: circuit.opened_at.map(Shown),
            opened_by: circuit.opened_by.as_deref(),
            next_probe_at: circuit.open_until().map(Shown),
            failing_since: circuit.failing_since.map(Shown),
            last_error: circuit.last_error.as_deref(),
        }
    }
}

/// How an endpoint is doing.
#[derive(Serialize)]
pub(crate) struct HealthBody<'a> {
    #[serde(flatten)]
    circuit: CircuitBody<'a>,
    last_success_at: Option<Shown<Timestamp>>,
    last_failure_at: Option<Shown<Timestamp>>,
    average_duration_ms: Option<u64>,
    success_rate: Option<f64>,
    sample: usize,
}

impl<'a> HealthBody<'a> {
    pub(crate) fn new(health: &'a Health) -> Self {
        let average = health.average_duration.map(|average| average.as_millis());
        Self {
            circuit: CircuitBody::new(&health.circuit),
            last_success_at: health.last_success_at.map(Shown),
            last_failure_at: health.last_failure_at.map(Shown),
            average_duration_ms: average.map(|millis| u64::try_from(millis).unwrap_or(u64::MAX)),
            success_rate: (health.sample > 0).then(|| health.succeeded as f64 / health.sample as f64),
            sample: health.sample,
        }
    }
}

/// A change of a circuit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CircuitInput {
    state: Option<String>,
    seconds: Option<Number>,
}

/// What is to be done with a circuit.
pub(crate) enum CircuitChange {
    /// Open it, for a time or until it is closed.
    Open(Option<Duration>),
    /// Close it.
    Close,
}

impl CircuitInput {
    pub(crate) fn change(self) -> Result<CircuitChange, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let state = findings.required("state", self.state);
        let wait = self.seconds.and_then(|seconds| findings.seconds("seconds", seconds));
        if wait.is_some_and(|wait| !(Duration::from_secs(1)..=LONGEST_OPEN).contains(&wait)) {
            findings.add(
                "seconds",
                "1 to 2592000 seconds; leave it out to keep the circuit open until it is closed",
            );
        }
        let change = match state.as_deref() {
            Some("open") => Some(CircuitChange::Open(wait)),
            Some("closed") => {
                if wait.is_some() {
                    findings.add("seconds", "is for the state open only");
                }
                Some(CircuitChange::Close)
            }
            Some(_) => {
                findings.add("state", "open or closed; half_open is what follows when the time is over");
                None
            }
            None => None,
        };
        findings.finish(change)
    }
}
