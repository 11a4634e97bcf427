//! What goes over the wire to S3, and what becomes of its answers, against a server on the loopback that does as
//! it is told: what no emulator does on request.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answers;
mod client;
mod links;
mod requests;
mod server;
mod signature;
