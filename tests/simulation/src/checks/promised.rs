//! What was over and then asked for again, by somebody who was told that it will be done, is done: with a budget of its
//! own, however the attempts before were spent.

use futures::executor::block_on;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{Delivery, Outcome};

use crate::receivers::Call;
use crate::world::{AcceptedEvent, Promise, World};

pub(super) fn failures(world: &World, accepted: &[AcceptedEvent], calls: &[Call]) -> Vec<String> {
    let mut failures = Vec::new();
    for promise in world.promises() {
        let delivery = block_on(world.deliveries.get(&world.tenant, promise.delivery)).ok().flatten();
        // An event that was not accepted may be on its way all the same, but need not be kept.
        let delivery = delivery.filter(|delivery| accepted.iter().any(|event| event.id == delivery.event_id));
        failures.extend(delivery.and_then(|delivery| broken(world, calls, promise, &delivery)));
    }
    failures
}

fn broken(world: &World, calls: &[Call], promise: Promise, delivery: &Delivery) -> Option<String> {
    let endpoint = delivery.endpoint();
    let number = world.endpoints.iter().position(|id| *id == endpoint)?;
    let event = delivery.event_id.to_string();
    let is_meant =
        |call: &&Call| call.receiver == number as u64 && call.event == event && call.until >= promise.at;
    let made: Vec<&Call> = calls.iter().filter(is_meant).collect();
    let allowed = world.plan.endpoints[number].retry.max_attempts as usize;
    let is_over = |call: &&Call| call.outcome != Outcome::Retry;
    if made.len() >= allowed || made.iter().any(is_over) || is_poisoned(world, delivery) {
        return None;
    }
    let (at, made) = (promise.at, made.len());
    Some(format!(
        "event {event} for endpoint {number} was asked for again at {at}: {made} requests, where {allowed} are allowed, and \
         none of them ended it"
    ))
}

/// Whether its message was handed out too often, which ends it whatever its budget is.
fn is_poisoned(world: &World, delivery: &Delivery) -> bool {
    let letter = delivery.dead_letter.map(|id| block_on(world.dead_letters.get(&world.tenant, id)));
    matches!(letter, Some(Ok(Some(letter))) if letter.reason == FailureReason::Poisoned)
}
