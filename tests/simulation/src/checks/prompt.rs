//! Where nothing goes wrong, nobody waits for long: what only the last resort of a worker or a message would find late
//! is found here.

use postrider_domain::DeliveryId;

use crate::plan::Deed;
use crate::receivers::{Call, Manner};
use crate::world::{AcceptedEvent, World};

/// How long the first attempt may take to come, in milliseconds. The others may keep all workers busy for minutes;
/// what comes back only to see whether it was forgotten comes after a quarter of an hour.
const LONGEST: u64 = 10 * 60_000;

pub(super) fn failures(world: &World, accepted: &[AcceptedEvent], calls: &[Call]) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, endpoint) in world.endpoints.iter().enumerate().filter(|(number, _)| is_well(world, *number))
    {
        for event in accepted {
            let id = event.id.to_string();
            let of_event = |call: &&Call| call.receiver == number as u64 && call.event == id;
            let first = calls.iter().filter(of_event).map(|call| call.at).min();
            let took = first.map(|first| first.saturating_sub(event.known)).unwrap_or_default();
            if took > LONGEST {
                let delivery = DeliveryId::derive(event.at, &event.id, *endpoint);
                failures.push(format!("{delivery}: its first attempt came {took} ms after it was accepted"));
            }
        }
    }
    failures
}

/// Whether an endpoint takes everything at once, all the time.
fn is_well(world: &World, number: usize) -> bool {
    let planned = &world.plan.endpoints[number];
    let is_changed = |deed: &Deed| match deed {
        Deed::Pause(of) | Deed::Turn(of, _) => *of == number,
        _ => false,
    };
    world.plan.faults == 0
        && matches!(planned.manner, Manner::Good)
        && planned.rate_limit.is_none()
        && !world.plan.deeds.iter().any(|(_, deed)| is_changed(deed))
}
