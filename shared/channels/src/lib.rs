//! The kinds of destination that an endpoint can have, one folder each.
//!
//! A channel's folder has the same parts everywhere: `mod.rs` says what the receiving service expects,
//! `config.rs` reads and checks an endpoint's configuration, `mask.rs` hides its credentials, `request.rs`
//! builds what is sent, `outcome.rs` judges what comes back, and `channel.rs` ties these together as the
//! `Channel` port. Webhooks send through the `Outbound` port and link no library of their own, so that there
//! is no cargo feature for their sending code; a channel that links a client gets one, named after it.

mod fields;
pub mod webhook;

use std::sync::Arc;

use postrider_application::ports::{Channels, Outbound};

/// Every channel that is built into this program, in a deployment where links to data can be made, or not.
pub fn channels(outbound: Arc<dyn Outbound>, has_links: bool) -> Channels {
    Channels::new(vec![Arc::new(webhook::WebhookChannel::new(outbound).linking(has_links))])
}
