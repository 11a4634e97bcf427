//! Which calls fail.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    ErrorBefore,
    /// It takes effect, but the caller hears of an error.
    ErrorAfter,
    /// The caller dies before it: neither it nor anything after it has an effect.
    CrashBefore,
    /// The caller dies after it: it takes effect, nothing after it does.
    CrashAfter,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 4] = [Self::ErrorBefore, Self::ErrorAfter, Self::CrashBefore, Self::CrashAfter];
}

/// Which part of a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, Default)]
enum Plan {
    #[default]
    Nothing,
    At(u64, Fault),
    Random {
        seed: u64,
        one_in: u64,
    },
}

#[derive(Default)]
struct State {
    plan: Plan,
    calls: u64,
    is_dead: bool,
}

/// Which calls fail, counted over all wrappers that share it. To begin with, none do.
#[derive(Default)]
pub struct FaultPlan(Mutex<State>);

impl FaultPlan {
    /// Counts calls from the next one, as 1, and strikes the `call`th.
    pub fn strike_at(&self, call: u64, fault: Fault) {
        *self.lock() = State { plan: Plan::At(call, fault), ..State::default() };
    }

    /// Counts calls from the next one and lets one in `one_in` fail, before or after it takes effect. The same
    /// seed strikes the same calls.
    pub fn strike_at_random(&self, seed: u64, one_in: u64) {
        *self.lock() = State { plan: Plan::Random { seed, one_in }, ..State::default() };
    }

    /// Nothing fails any more, and the dead live again. The calls are counted from 1 again.
    pub fn recover(&self) {
        *self.lock() = State::default();
    }

    /// How many calls there were since the plan was made.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// What happens to the next call.
    pub(super) fn next(&self) -> Option<Failing> {
        let mut state = self.lock();
        state.calls += 1;
        if state.is_dead {
            return Some(Failing::Before);
        }
        let fault = match state.plan {
            Plan::At(call, fault) if call == state.calls => fault,
            Plan::Random { seed, one_in } => random_fault(seed, state.calls, one_in)?,
            Plan::Nothing | Plan::At(..) => return None,
        };
        state.is_dead = matches!(fault, Fault::CrashBefore | Fault::CrashAfter);
        match fault {
            Fault::ErrorBefore | Fault::CrashBefore => Some(Failing::Before),
            Fault::ErrorAfter | Fault::CrashAfter => Some(Failing::After),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_fault(seed: u64, call: u64, one_in: u64) -> Option<Fault> {
    // SplitMix64: a good mix of seed and call without state.
    let mut bits = seed.wrapping_add(call.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let is_struck = (bits >> 1).is_multiple_of(one_in.max(1));
    is_struck.then_some(if bits & 1 == 0 { Fault::ErrorBefore } else { Fault::ErrorAfter })
}

/// Why a call failed that was told to.
#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
pub(super) struct ToldToFail;
