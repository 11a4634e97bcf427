//! The API as clients see it, on tables in memory, a recorded queue and a scripted receiver. The modules
//! mirror the tree of URLs; `routes` and `isolation` go over all of it.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built fails its test")]

mod call;
mod data;
mod dead_letters;
mod deliveries;
mod endpoint_health;
mod endpoints;
mod events;
mod events_batch;
mod fixture;
mod isolation;
mod keys;
mod lists;
mod master_key;
mod parts;
mod ports;
mod protocol;
mod reconciliation;
mod replays;
mod routes;
mod signing;
mod tenants;
