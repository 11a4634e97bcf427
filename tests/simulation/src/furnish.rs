//! What a world begins with, and who watches it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use postrider_application::endpoints::{Changes, NewEndpoint};
use postrider_application::ingest::Publication;
use postrider_application::ports::{Clock, Table};
use postrider_application::stores::Circuits;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, CircuitState, EndpointId, Priority, Subscription, TenantId};
use serde_json::json;

use crate::executor::Simulation;
use crate::instance::{Instance, Ports};
use crate::plan::{Plan, PlannedEvent};
use crate::ports::SimulatedClock;
use crate::receivers::Watch;

/// Creates the endpoints of a plan.
pub(crate) fn create_endpoints(
    plan: &Plan,
    simulation: &Simulation,
    ports: &Ports,
    tenant: &TenantId,
) -> Vec<EndpointId> {
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock { simulation: simulation.clone(), skew: 0 });
    let instance = Instance::new(ports, clock);
    let create = |(number, planned): (usize, &crate::plan::PlannedEndpoint)| {
        let pattern = "order.*".parse().ok().map(|pattern| Subscription { pattern, filter: None });
        let fields = Changes {
            name: Some(format!("endpoint {number}")),
            config: Some(json!({ "receiver": number })),
            subscriptions: Some(pattern.into_iter().collect()),
            retry: Some(planned.retry.clone()),
            in_order: Some(planned.in_order),
            // Nobody gives way to others, so that the order can be told.
            max_blocked: planned.in_order.then_some(Some(Duration::from_secs(5 * 24 * 60 * 60))),
            rate_limit: planned.rate_limit,
            timeout: Some(Duration::from_secs(planned.timeout)),
            ..Changes::default()
        };
        match block_on(instance.manage.create(tenant, NewEndpoint { channel: ChannelKind::Webhook, fields }))
        {
            Ok((record, _)) => record.endpoint.id,
            Err(error) => panic!("no endpoint: {error}"),
        }
    };
    plan.endpoints.iter().enumerate().map(create).collect()
}

/// Sees whether a request comes to a receiver whose circuit has been open for so long that everybody knows it.
pub(crate) fn circuit_watch(
    simulation: &Simulation,
    plan: &Plan,
    table: Arc<dyn Table>,
    tenant: &TenantId,
    endpoints: &[EndpointId],
) -> Watch {
    let (simulation, tenant, endpoints) = (simulation.clone(), tenant.clone(), endpoints.to_vec());
    let (circuits, skew) = (Circuits::new(table), plan.skew);
    // What a worker remembers of a circuit, and the slow calls that it may make before an attempt.
    let known_to_all = if plan.faults > 0 { 45_000 } else { 11_000 } + 2 * skew;
    Box::new(move |receiver| {
        let endpoint = *endpoints.get(usize::try_from(receiver).ok()?)?;
        let circuit = block_on(circuits.get(&tenant, endpoint, true)).ok()?;
        let CircuitState::Open { until: Some(until), .. } = circuit.state else { return None };
        let (now, opened_at) = (simulation.now(), circuit.last_failure_at?.as_millis());
        let is_open = opened_at + known_to_all < now && until.as_millis() > now + skew;
        is_open.then(|| format!("its circuit is open since {opened_at} until {until}, now {now}"))
    })
}

/// What a publisher sends for a planned event.
pub(crate) fn publication(number: usize, event: PlannedEvent) -> Publication {
    let text = format!(r#"{{"n":{number},"pad":"{}"}}"#, "x".repeat(event.size as usize));
    let event_id = event.is_named.then(|| format!("event-{number}").parse().ok()).flatten();
    let Ok(event_type) = "order.paid".parse() else { panic!("a type") };
    Publication {
        event_id,
        event_type,
        data: Bytes::from(text),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: Priority::default(),
    }
}
