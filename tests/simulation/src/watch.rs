//! Who looks at every request: whether its endpoint was to be left alone.

use std::sync::Arc;

use futures::executor::block_on;
use postrider_application::ports::Table;
use postrider_application::stores::Circuits;
use postrider_domain::circuit::PROBES;
use postrider_domain::{CircuitState, EndpointId, TenantId};

use crate::executor::Simulation;
use crate::plan::Plan;
use crate::receivers::Watch;
use crate::switches::Switches;

/// Sees whether a request comes to a receiver whose endpoint is paused, or its circuit open, for so long that
/// everybody knows it; and whether there are more probes at a time than there may be.
pub(crate) fn watch(
    simulation: &Simulation,
    plan: &Plan,
    table: Arc<dyn Table>,
    tenant: &TenantId,
    endpoints: &[EndpointId],
    switches: Arc<Switches>,
) -> Watch {
    let (simulation, tenant, endpoints) = (simulation.clone(), tenant.clone(), endpoints.to_vec());
    let (circuits, skew) = (Circuits::new(table), plan.skew);
    // What a worker remembers of an endpoint and its circuit, and the slow calls that it may make before an attempt.
    let known_to_all = if plan.faults > 0 { 45_000 } else { 11_000 } + 2 * skew;
    Box::new(move |receiver, under_way| {
        let (number, now) = (usize::try_from(receiver).ok()?, simulation.now());
        if let Some(since) = switches.paused_since(number).filter(|since| since + known_to_all < now) {
            return Some(format!("it is paused since {since}, now {now}"));
        }
        let circuit = block_on(circuits.get(&tenant, *endpoints.get(number)?, true)).ok()?;
        match circuit.state {
            CircuitState::Open { until: Some(until), .. } => {
                let opened_at = circuit.last_failure_at?.as_millis();
                let is_open = opened_at + known_to_all < now && until.as_millis() > now + skew;
                is_open.then(|| format!("its circuit is open since {opened_at} until {until}, now {now}"))
            }
            CircuitState::HalfOpen { .. } if under_way > PROBES => {
                Some(format!("its circuit is half open, and {under_way} requests are under way at {now}"))
            }
            _ => None,
        }
    })
}
