//! What a world begins with.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use postrider_application::endpoints::{Changes, NewEndpoint};
use postrider_application::ingest::Publication;
use postrider_application::ports::Clock;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, EndpointId, Priority, Subscription, TenantId};
use serde_json::json;

use crate::executor::Simulation;
use crate::instance::{Instance, Ports};
use crate::plan::{Plan, PlannedEvent};
use crate::ports::SimulatedClock;

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

/// What a publisher sends for a planned event.
pub(crate) fn publication(number: usize, event: PlannedEvent) -> Publication {
    let text = format!(r#"{{"n":{number},"pad":"{}"}}"#, "x".repeat(event.size as usize));
    let event_id = event.is_named.then(|| format!("event-{number}").parse().ok()).flatten();
    let (Ok(event_type), Ok(data)) = ("order.paid".parse(), text.try_into()) else {
        panic!("a type and JSON")
    };
    Publication {
        event_id,
        event_type,
        data,
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: Priority::default(),
    }
}
