//! Channels: what the use cases know of a kind of destination.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider_domain::delivery::{RequestRecord, ResponseRecord};
use postrider_domain::signature::{KeyKind, KeyRing};
use postrider_domain::{ChannelKind, Event, FieldProblem, Outcome, Timestamp};
use serde_json::Value;

use crate::links::DataLink;

/// One kind of destination.
pub trait Channel: Send + Sync {
    /// Which kind.
    fn kind(&self) -> ChannelKind;

    /// Checks a configuration as a user wrote it.
    ///
    /// # Errors
    /// One problem for each field that is unknown, missing or wrong.
    fn check(&self, config: &Value) -> Result<(), Vec<FieldProblem>>;

    /// The configuration with every credential replaced by [`MASK`].
    fn mask(&self, config: &Value) -> Value;

    /// The kinds of keys that requests of this configuration are signed with, or could be: an endpoint has a
    /// key of each.
    fn signs_with(&self, _config: &Value) -> &'static [KeyKind] {
        &[KeyKind::Hmac]
    }

    /// A destination that was checked before, ready to be used. Each of its attempts is signed with the keys
    /// that are live at its moment.
    ///
    /// # Errors
    /// When the configuration no longer passes the check.
    fn open(&self, config: &Value, keys: KeyRing) -> Result<Arc<dyn Destination>, Vec<FieldProblem>>;
}

/// What stands in the place of a credential wherever a configuration is shown. Sent back in an update, it
/// leaves the credential as it is.
pub const MASK: &str = "********";

/// The channels of this program.
#[derive(Clone, Default)]
pub struct Channels(Vec<Arc<dyn Channel>>);

impl Channels {
    /// These channels.
    pub fn new(channels: Vec<Arc<dyn Channel>>) -> Self {
        Self(channels)
    }

    /// The channel of a kind, if this program has it.
    pub fn get(&self, kind: ChannelKind) -> Option<&dyn Channel> {
        self.0.iter().find(|channel| channel.kind() == kind).map(AsRef::as_ref)
    }
}

/// An endpoint's channel with its configuration, ready to be used for any number of attempts.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Makes one attempt. A receiver that fails is a result, not an error.
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult;

    /// For how long a link is good that the receiver gets in place of the data; `None` when it gets the data.
    fn link_ttl(&self) -> Option<Duration> {
        None
    }
}

/// What a receiver is given of an event's data.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The data, as the JSON text it came as.
    Data(&'a Bytes),
    /// A link to it, for a destination that asks for one.
    Link(&'a DataLink),
}

/// What an attempt is about.
#[derive(Debug)]
pub struct AttemptJob<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its data, or a link to it.
    pub content: Content<'a>,
    /// The present moment, for signatures.
    pub now: Timestamp,
    /// How long the attempt may take.
    pub timeout: Duration,
}

/// What an attempt came to.
#[derive(Debug, Clone)]
pub struct AttemptResult {
    /// The channel's judgement.
    pub outcome: Outcome,
    /// What was sent, with credentials masked.
    pub request: RequestRecord,
    /// What was answered, if anything was.
    pub response: Option<ResponseRecord>,
    /// Why it did not succeed, in plain words.
    pub error: Option<String>,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}
