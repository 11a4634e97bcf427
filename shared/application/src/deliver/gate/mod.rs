//! What a delivery has to pass before it is attempted.

mod rate;
