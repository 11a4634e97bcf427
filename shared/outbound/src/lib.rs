//! The only way out to a receiver over HTTP: the `Outbound` port on hyper, behind a guard.
//!
//! Receivers' URLs come from customers, so that every one of them may be an attempt to reach something
//! inside (server-side request forgery). The guard refuses what is not public unless the operator allows
//! it by name, decides for every address of every look-up, and connects to just the addresses it decided
//! on, so that a name which changes its answer in between gains nothing. Hosts that are literal addresses
//! never reach the resolver and are judged by the same rules before anything is sent.

mod address;
mod clients;
mod connector;
mod exchange;
mod failure;
mod guard;
mod lookup;
mod networks;
mod rules;
#[cfg(test)]
mod tests;
mod tls;

pub use exchange::HttpOutbound;
pub use lookup::{Lookup, SystemLookup};
pub use networks::{NetworksError, parse_networks};
pub use tls::NoRoots;
