//! What tests of several crates share: the contract that every implementation of a port keeps, and wrappers of
//! ports that count what they are asked and that fail on demand, and a channel for receivers that are no program.

pub mod channel;
pub mod contracts;
pub mod faults;
pub mod metering;
pub mod unique;
pub mod wait;
