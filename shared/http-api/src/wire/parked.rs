//! What is parked for an endpoint, and what is to become of it.

use std::str::FromStr;

use postrider_application::endpoints::ParkedChoice;
use postrider_application::query::Parked;
use postrider_domain::{FieldProblem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, Shown};

/// What is to become of parked deliveries.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParkedInput {
    parked: Option<String>,
}

impl ParkedInput {
    /// The choice, if there is one.
    pub(crate) fn choice(self) -> Result<Option<ParkedChoice>, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let choice = findings.read("parked", self.parked.as_deref(), ParkedChoice::from_str);
        findings.finish(Some(choice))
    }

    /// The choice, which has to be there.
    pub(crate) fn required(self) -> Result<ParkedChoice, Vec<FieldProblem>> {
        let missing = || vec![FieldProblem::new("parked", "is required: drain, skip or keep")];
        self.choice()?.ok_or_else(missing)
    }
}

/// A choice that was taken.
#[derive(Serialize)]
pub(crate) struct DecisionBody {
    parked: &'static str,
}

impl DecisionBody {
    pub(crate) const fn new(choice: ParkedChoice) -> Self {
        Self { parked: choice.as_str() }
    }
}

/// What is parked for an endpoint.
#[derive(Serialize)]
pub(crate) struct ParkedBody {
    parked: usize,
    at_least: bool,
    oldest_at: Option<Shown<Timestamp>>,
    drain: DrainBody,
}

#[derive(Serialize)]
struct DrainBody {
    state: &'static str,
    released: u64,
    started_at: Option<Shown<Timestamp>>,
    finished_at: Option<Shown<Timestamp>>,
}

impl ParkedBody {
    pub(crate) fn new(parked: &Parked) -> Self {
        let drain = &parked.drain;
        Self {
            parked: parked.count,
            at_least: parked.at_least,
            oldest_at: parked.oldest_at.map(Shown),
            drain: DrainBody {
                state: drain.state.as_str(),
                released: drain.released,
                started_at: drain.started_at.map(Shown),
                finished_at: drain.finished_at.map(Shown),
            },
        }
    }
}
