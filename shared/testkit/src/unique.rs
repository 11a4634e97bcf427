//! Names that nobody else uses, so that a test can share an emulator with others and with runs before it.

use std::hash::{BuildHasher as _, RandomState};

/// A name that begins with a prefix and is another one every time, also in other processes.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", RandomState::new().hash_one(std::process::id()))
}
