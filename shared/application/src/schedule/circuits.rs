//! Circuits that somebody has to look at: probes are due, a worker died before it did what it wrote, or an endpoint
//! has not worked for days.

use std::time::Duration;

use postrider_domain::circuit::Admission;
use postrider_domain::{Circuit, EndpointStatus};

use super::{Schedule, ScheduleError};
use crate::stores::circuits::EndpointCircuit;

impl Schedule {
    /// Puts a circuit off, on the condition that nobody else did, and then does what has to be done. Answers
    /// whether it was due, and this run's.
    pub(super) async fn look_at(&self, due: &EndpointCircuit) -> Result<bool, ScheduleError> {
        let now = self.clock.now();
        // What the index shows ahead of its time is left to later runs.
        if due.circuit.check_at.is_none_or(|at| at > now) {
            return Ok(false);
        }
        let (tenant, id) = (&due.tenant, due.endpoint);
        let endpoint = self.breaker.endpoint(tenant, id).await?;
        let is_over = |status| status == EndpointStatus::Disabled;
        let look = |circuit: &mut Circuit| {
            circuit.check_at.filter(|at| *at <= now)?;
            match &endpoint {
                None => circuit.reset(),
                // Turning it on again resets it.
                Some(endpoint) if is_over(endpoint.status) => circuit.rest(),
                Some(_) => {
                    circuit.review(now);
                    circuit.put_off(now);
                }
            }
            Some(())
        };
        let known = Some(due.circuit.clone());
        let (circuit, looked) = self.breaker.circuits().change(tenant, id, known, now, look).await?;
        let (Some(endpoint), Some(())) = (endpoint, looked) else { return Ok(looked.is_some()) };
        let has_notices = !circuit.notices.is_empty();
        let admission = circuit.admission(now);
        self.breaker.act(&endpoint, circuit).await?;
        if !has_notices && admission == Admission::AsProbe && endpoint.status == EndpointStatus::Active {
            self.breaker.send_release(&endpoint, true, Duration::ZERO).await?;
        }
        Ok(true)
    }
}
