//! What happens to which request: told one by one, or following from a seed.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It is throttled.
    Throttle,
    /// The service fails with this status before it does anything.
    Fail(u16),
    /// The connection ends before the service has seen the request.
    DropBefore,
    /// The request takes effect, and then the connection ends.
    DropAfter,
    /// The request takes effect, and the service fails all the same.
    FailAfter,
    /// The request takes effect, and the answer never comes.
    Hang,
    /// Of a batch, some take effect and the others are left. A request that is no batch is let through.
    Partial,
    /// All of a batch is left.
    LeaveAll,
    /// All of a batch is refused for good.
    RefuseAll,
}

/// How often each fault happens, in a hundred requests.
const STORM: [(u64, Fault); 9] = [
    (9, Fault::Throttle),
    (4, Fault::Fail(500)),
    (4, Fault::Fail(503)),
    (5, Fault::DropBefore),
    (8, Fault::DropAfter),
    (5, Fault::FailAfter),
    (3, Fault::Hang),
    (20, Fault::Partial),
    (2, Fault::LeaveAll),
];

/// What happens to the requests that come.
pub(crate) enum Plan {
    /// This, one after the other, and then nothing.
    Script(VecDeque<Fault>),
    /// This, always.
    Always(Fault),
    /// What follows from the seed for the nth request of an operation.
    Seeded { seed: u64, seen: HashMap<String, u64> },
}

impl Plan {
    pub(crate) fn script(faults: &[Fault]) -> Self {
        Self::Script(faults.iter().copied().collect())
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded { seed, seen: HashMap::new() }
    }

    pub(super) fn next(&mut self, operation: &str) -> Fault {
        match self {
            Self::Script(faults) => faults.pop_front().unwrap_or(Fault::None),
            Self::Always(fault) => *fault,
            Self::Seeded { seed, seen } => {
                let number = seen.entry(operation.to_owned()).or_default();
                *number += 1;
                let mut hasher = DefaultHasher::new();
                (*seed, operation, *number).hash(&mut hasher);
                let mut drawn = hasher.finish() % 100;
                for (share, fault) in STORM {
                    if drawn < share {
                        return fault;
                    }
                    drawn -= share;
                }
                Fault::None
            }
        }
    }
}
