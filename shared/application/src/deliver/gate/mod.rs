//! What a delivery has to pass before it is attempted.

pub(super) mod crowd;
mod rate;
