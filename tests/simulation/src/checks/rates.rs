//! No endpoint gets more requests than its limit allows, in any ten seconds.

use crate::receivers::Call;
use crate::world::World;

/// In milliseconds.
const WINDOW: u64 = 10_000;

pub(super) fn failures(world: &World, calls: &[Call]) -> Vec<String> {
    // Between its token and its request, a worker's calls may be slow, or come to nothing.
    if world.plan.faults > 0 {
        return Vec::new();
    }
    let mut failures = Vec::new();
    for (number, planned) in world.plan.endpoints.iter().enumerate() {
        let Some(limit) = planned.rate_limit else { continue };
        let mut times: Vec<u64> =
            calls.iter().filter(|call| call.receiver == number as u64).map(|call| call.at).collect();
        times.sort_unstable();
        // Clocks that differ see a longer window.
        let seconds = (WINDOW + 2 * world.plan.skew) as f64 / 1_000.0;
        let allowed = f64::from(limit.burst) + limit.per_second * seconds * 1.1 + 1.0;
        for (index, begin) in times.iter().enumerate() {
            let count = times[index..].iter().take_while(|at| **at < begin + WINDOW).count();
            if count as f64 > allowed {
                failures.push(format!(
                    "endpoint {number} got {count} requests in 10 s from {begin}, where {allowed:.1} are allowed"
                ));
                break;
            }
        }
    }
    failures
}
