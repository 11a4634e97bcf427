//! What must hold when a world has come to rest.

mod in_order;
mod promised;
mod prompt;
mod rates;

use std::collections::BTreeMap;

use futures::executor::block_on;
use postrider_application::stores::dead_letters::DeadLetterState;
use postrider_domain::{Delivery, DeliveryStatus};

use crate::receivers::Call;
use crate::world::World;

/// Everything that does not hold.
pub(crate) fn failures(world: &World) -> Vec<String> {
    let mut failures = Vec::new();
    let accepted = world.accepted();
    if accepted.len() != world.plan.events.len() {
        failures.push(format!("{} of {} events were accepted", accepted.len(), world.plan.events.len()));
    }
    if world.queues.len() > 0 {
        failures.push(format!("messages are left: {:#?}", world.queues.content()));
    }
    let calls = world.receivers.calls();
    for event in &accepted {
        let matched = world.matched(event);
        let endpoints = world.endpoints.iter().copied().collect();
        if !matched.is_complete || matched.required != endpoints {
            failures.push(format!("event {}: it is not on record who gets it: {matched:?}", event.id));
        }
        for (number, id) in world.endpoints.iter().enumerate() {
            let what = format!("event {} for endpoint {number} ({id})", event.id);
            let Some(delivery) = world.delivery(event, *id) else {
                failures.push(format!("{what}: there is no delivery"));
                continue;
            };
            let made = |call: &&Call| call.receiver == number as u64 && call.event == event.id.to_string();
            let made: Vec<&Call> = calls.iter().filter(made).collect();
            let about = Delivered {
                world,
                delivery: &delivery,
                calls: &made,
                policy: world.plan.endpoints[number].retry.max_attempts,
            };
            failures.extend(
                about.failures().into_iter().map(|failure| format!("{what}: {failure}\n{delivery:#?}")),
            );
        }
    }
    failures.extend(strangers(world, &calls));
    failures.extend(world.receivers.wrong());
    failures.extend(in_order::failures(world, &accepted, &calls));
    failures.extend(rates::failures(world, &calls));
    failures.extend(promised::failures(world, &accepted, &calls));
    failures.extend(prompt::failures(world, &accepted, &calls));
    failures.extend(world.open_jobs().iter().map(|job| format!("a job is open: {job:?}")));
    failures
}

/// Requests for events that nobody heard of as accepted: their publisher got no answer, so they may exist, but
/// not as something else.
fn strangers(world: &World, calls: &[Call]) -> Vec<String> {
    let mut names = BTreeMap::new();
    for call in calls {
        *names.entry(call.event.clone()).or_insert(0) += 1;
    }
    let accepted: Vec<String> = world.accepted().iter().map(|event| event.id.to_string()).collect();
    let is_stranger = |name: &&String| !accepted.contains(name) && !name.starts_with("evt_");
    names
        .keys()
        .filter(is_stranger)
        .map(|name| format!("requests for {name}, which nobody published"))
        .collect()
}

struct Delivered<'a> {
    world: &'a World,
    delivery: &'a Delivery,
    calls: &'a [&'a Call],
    policy: u32,
}

impl Delivered<'_> {
    fn failures(&self) -> Vec<String> {
        let checks =
            [self.is_explained(), self.is_within_its_policy(), self.is_not_repeated(), self.is_counted()];
        checks.into_iter().flatten().collect()
    }

    /// It is delivered, or a dead letter says why not.
    fn is_explained(&self) -> Option<String> {
        match self.delivery.status {
            DeliveryStatus::Delivered => {
                let heard =
                    self.calls.iter().any(|call| call.outcome == postrider_domain::Outcome::Delivered);
                (!heard).then(|| {
                    "it is said to be delivered, but its receiver said nothing of the kind".to_owned()
                })
            }
            DeliveryStatus::Failed => {
                let Some(id) = self.delivery.dead_letter else {
                    return Some("it failed without a dead letter".to_owned());
                };
                match block_on(self.world.dead_letters.get(&self.world.tenant, id)) {
                    Ok(Some(letter)) if letter.state == DeadLetterState::Pending => None,
                    Ok(Some(letter)) => Some(format!("it failed, but its dead letter is {}", letter.state)),
                    other => Some(format!("its dead letter is not there: {other:?}")),
                }
            }
            status => Some(format!("it never came to an end: it is {status}")),
        }
    }

    /// Attempts never exceed the policy, however often somebody asked for more.
    fn is_within_its_policy(&self) -> Option<String> {
        let allowed = self.policy * (1 + self.world.renewals(self.delivery.id));
        let made = self.delivery.attempt_count;
        (made > allowed).then(|| format!("{made} attempts, where {allowed} are allowed"))
    }

    /// No request without its record, except where a fault struck the worker that made it, or the message of a first
    /// attempt, for which nobody looks into the ledger, came twice as if for the first time.
    fn is_not_repeated(&self) -> Option<String> {
        let (event, endpoint) = (&self.delivery.event_id, self.delivery.endpoint());
        let of_it = [format!("\"id\":\"{event}\""), format!("\"endpoint\":\"{endpoint}\"")];
        let twins = self.world.queues.first_twins(&of_it);
        let clean = self.calls.iter().filter(|call| !self.world.faults.struck(call.task)).count();
        let recorded = self.delivery.attempt_count as usize;
        (clean > recorded + twins).then(|| {
            format!(
                "{clean} requests by workers that nothing happened to, {recorded} on record, {twins} twins"
            )
        })
    }

    /// Every attempt on record was made.
    fn is_counted(&self) -> Option<String> {
        let (made, recorded) = (self.calls.len(), self.delivery.attempt_count as usize);
        (recorded > made).then(|| format!("{recorded} attempts on record, {made} requests"))
    }
}
