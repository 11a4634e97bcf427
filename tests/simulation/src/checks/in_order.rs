//! Ordered endpoints get one delivery after the other, in the order in which their events were accepted.

use postrider_domain::{DeliveryId, EndpointId};

use crate::receivers::Call;
use crate::world::{AcceptedEvent, World};

pub(super) fn failures(world: &World, accepted: &[AcceptedEvent], calls: &[Call]) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, endpoint) in world.endpoints.iter().enumerate() {
        if !world.plan.endpoints[number].in_order {
            continue;
        }
        let calls: Vec<&Call> = calls.iter().filter(|call| call.receiver == number as u64).collect();
        let told: Vec<_> = accepted.iter().filter(|event| is_untouched(world, event, *endpoint)).collect();
        for first in told.iter().filter(|event| !is_late(event, accepted)) {
            for second in told.iter().filter(|second| follows(first, second)) {
                failures
                    .extend(overtaken(&calls, first, second).map(|why| format!("endpoint {number}: {why}")));
            }
        }
    }
    failures
}

/// Whether nobody asked for its delivery again, which goes at once.
fn is_untouched(world: &World, event: &AcceptedEvent, endpoint: EndpointId) -> bool {
    world.renewals(DeliveryId::derive(event.at, &event.id, endpoint)) == 0
        && event.at.as_millis() > crate::world::EPOCH
}

/// Whether another event with a later moment was there before it was: a clock that is ahead, or an acceptance that
/// took long. It goes when it comes.
fn is_late(event: &AcceptedEvent, accepted: &[AcceptedEvent]) -> bool {
    accepted.iter().any(|other| other.at > event.at && other.begun < event.known)
}

/// Whether an event was published when the other one was known to be accepted, as all clocks agree.
fn follows(first: &AcceptedEvent, second: &AcceptedEvent) -> bool {
    second.begun > first.known && second.at > first.at
}

/// Whether the receiver got the second event before it was done with the first.
fn overtaken(calls: &[&Call], first: &AcceptedEvent, second: &AcceptedEvent) -> Option<String> {
    let of = |event: &AcceptedEvent| {
        let id = event.id.to_string();
        calls.iter().filter(move |call| call.event == id)
    };
    let first_call_of_second = of(second).map(|call| call.at).min()?;
    let last_call_of_first = of(first).map(|call| call.until).max()?;
    (last_call_of_first > first_call_of_second).then(|| {
        format!("it got {} at {first_call_of_second} and {} until {last_call_of_first}", second.id, first.id)
    })
}
