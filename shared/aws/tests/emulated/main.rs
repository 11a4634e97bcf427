//! The adapters through the SDK's own clients, against an emulator that the tests start for themselves: the
//! ports' contracts, and what happens when requests fail, are throttled, or take effect without an answer.
//!
//! | variable | what |
//! |---|---|
//! | `POSTRIDER_MINISTACK` | the emulator's program; unset, it is the one that `make tools` installs |
//! | `POSTRIDER_TEST_SEED` | what the failures follow from; unset, every run has others, and prints its seed |

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod contracts;
mod deployment;
mod emulator;
mod faults;
mod proxy;
mod settings;
mod storm;
mod use_cases;
mod vault;
mod world;
