//! Webhooks: a signed HTTP request to the customer's own server.
//!
//! What a receiver gets:
//! - A `POST` (or `PUT`, `PATCH`) whose body is JSON: `{"id", "type", "timestamp", "data"}`, or the event's
//!   data alone with `"payload": "data"`. The data is the publisher's text, byte for byte. With
//!   `"payload": "thin"`, `{"id", "type", "timestamp", "data_url", "data_url_expires_at", "data_bytes"}`: a GET of
//!   `data_url` answers the data, perhaps by a redirect, without an API key and until `data_url_expires_at`.
//! - `webhook-id`, the event's id, the same on every try: a receiver that has seen it can answer 200 and do
//!   nothing. `webhook-timestamp`, when this try was made, in seconds.
//! - `webhook-signature` by the Standard Webhooks specification 1.0.0: `v1` with the endpoint's secret, `v1a` with
//!   its ed25519 key (`"signature": {"scheme": "ed25519"}`), or both (`"standard+ed25519"`); while a key replaces
//!   another, a signature of each, the new one's first. Or, with `"signature": {"scheme": "body"}`, the
//!   HMAC-SHA256 of the body in a header of the endpoint's choice, with a secret of its own or the endpoint's;
//!   while a secret replaces another, with the former one until it ends.
//!
//! What a receiver should answer, within the endpoint's time limit:
//! - 2xx (or what `success_codes` says): delivered. The body does not matter; its beginning is kept.
//! - 410: nothing more is wanted, and the endpoint is disabled.
//! - 408, 425, 429, 5xx, or no answer: tried again later. `Retry-After` on 429 and 503 is heeded.
//! - Anything else, redirects included: given up, because it would be answered the same way again.
//!
//! Sources: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>;
//! RFC 9110, sections 10.2.3 (`Retry-After`) and 15 (status codes); RFC 6750 and 7617 (bearer and basic).

mod channel;
mod config;
mod mask;
mod outcome;
mod record;
mod request;
mod sign;
#[cfg(test)]
mod tests;

pub use channel::WebhookChannel;
