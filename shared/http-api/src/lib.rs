//! The HTTP API as axum routers: built by plain functions, without a server and without Lambda's types.
//!
//! Each route group is a file (`events.rs`, `endpoints.rs`, ...), the JSON that it reads and writes is in
//! `wire/`, and what all routes share is beside them: who calls (`auth.rs`), what a URL says (`params.rs`,
//! `page.rs`), bodies (`json.rs`) and errors (`problem.rs`).
//!
//! A route takes `May` or `Operator` first: the caller is known and allowed before anything
//! else is read, and every store is asked for that caller's tenant only.

mod auth;
mod data;
mod dead_letters;
mod deliveries;
mod endpoint_health;
mod endpoints;
mod events;
mod health;
mod jobs;
mod json;
mod keys;
mod master_key;
mod page;
mod params;
mod paths;
mod problem;
mod publication;
mod reconciliation;
mod replay;
mod routers;
mod services;
mod signing;
mod tenants;
mod wire;

pub use auth::ClientAddress;
pub use axum::Router;
pub use publication::{InvalidPublication, read_publication};
pub use routers::{ingest_router, manage_router, query_router, router};
pub use services::{IngestServices, ManageServices, QueryServices, Services};
