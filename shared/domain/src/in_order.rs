//! Endpoints whose deliveries go one after the other, in the order in which their events were accepted.

use std::time::Duration;

use crate::{FieldProblem, Timestamp};

/// For how long a delivery that fails holds back the others, unless the endpoint says otherwise.
pub const DEFAULT_MAX_BLOCKED: Duration = Duration::from_secs(60 * 60);

/// The longest time that an endpoint can ask for: after that it is disabled anyhow.
const LONGEST: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// What an ordered endpoint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InOrder {
    /// Since when it is ordered. What was accepted before goes as it comes.
    pub since: Timestamp,
    /// For how long a delivery that fails holds back the others. Then it is parked, and they go on.
    pub max_blocked: Duration,
}

impl InOrder {
    /// From now on, with the default patience.
    pub const fn from(since: Timestamp) -> Self {
        Self { since, max_blocked: DEFAULT_MAX_BLOCKED }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// One problem for each field out of its bounds.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        if (Duration::from_secs(1)..=LONGEST).contains(&self.max_blocked) {
            return Ok(());
        }
        let problem = format!("1 to {} seconds", LONGEST.as_secs());
        Err(vec![FieldProblem::new("max_blocked_seconds", problem)])
    }
}
