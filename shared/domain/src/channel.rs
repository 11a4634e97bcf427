//! The kinds of destination that an endpoint can have.

use std::fmt;
use std::str::FromStr;

/// A kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChannelKind {
    /// A signed HTTP request to the customer's own server.
    Webhook,
}

/// The text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown channel; the channels are: webhook")]
pub struct UnknownChannel;

impl ChannelKind {
    /// Every channel, in the order in which they are listed.
    pub const ALL: [Self; 1] = [Self::Webhook];

    /// The channel's name in the API, in queue names and in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChannelKind {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownChannel)
    }
}
