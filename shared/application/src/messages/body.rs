//! What a queue holds of a message: what it says or, where it left the process, its text.

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    ChannelMessage, DeliverMessage, EventsMessage, FanOutMessage, GivenUpMessage, JobMessage, MessageError,
    ReleaseMessage, SkipMessage,
};

/// The body of a queue's message.
///
/// Within a process a message is handed on as what it says, and its text is made where it leaves: for SQS, or for a
/// log. What comes from there is a text, which is read by whoever gets it.
#[derive(Debug, Clone)]
pub struct Body(Content);

#[derive(Debug, Clone)]
enum Content {
    Events(Arc<EventsMessage>),
    Channel(Arc<ChannelMessage>),
    Text(Arc<String>),
}

impl Body {
    /// The message's text.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Content::Events(message) => message.write().into(),
            Content::Channel(message) => message.write().into(),
            Content::Text(text) => text.as_str().into(),
        }
    }

    /// The text, if it is one; `None` for what is not written yet, which has at most a few dozen kilobytes.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Content::Text(text) => Some(text),
            Content::Events(_) | Content::Channel(_) => None,
        }
    }

    /// The same message as its text.
    #[must_use]
    pub fn written(self) -> Self {
        match self.0 {
            Content::Text(_) => self,
            Content::Events(_) | Content::Channel(_) => self.text().into_owned().into(),
        }
    }

    /// The message, as one of the queue `events`.
    ///
    /// # Errors
    /// When it is none, or not of a version that is known here.
    pub fn events(&self) -> Result<EventsMessage, MessageError> {
        match &self.0 {
            Content::Events(message) => Ok(EventsMessage::clone(message)),
            Content::Channel(_) => Err(misplaced()),
            Content::Text(text) => EventsMessage::read(text),
        }
    }

    /// The message, as one of a channel's queue or its dead-letter queue.
    ///
    /// # Errors
    /// When it is none, or not of a version that is known here.
    pub fn channel(&self) -> Result<ChannelMessage, MessageError> {
        match &self.0 {
            Content::Channel(message) => Ok(ChannelMessage::clone(message)),
            Content::Events(_) => Err(misplaced()),
            Content::Text(text) => ChannelMessage::read(text),
        }
    }
}

fn misplaced() -> MessageError {
    MessageError::new("it belongs into another queue")
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Content::Text(text.into()))
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<EventsMessage> for Body {
    fn from(message: EventsMessage) -> Self {
        Self(Content::Events(message.into()))
    }
}

impl From<ChannelMessage> for Body {
    fn from(message: ChannelMessage) -> Self {
        Self(Content::Channel(message.into()))
    }
}

/// The bodies of messages of one kind.
macro_rules! bodies {
    ($($message:ident => $kind:expr;)*) => {
        $(impl From<$message> for Body {
            fn from(message: $message) -> Self {
                $kind(message).into()
            }
        })*
    };
}

bodies! {
    FanOutMessage => EventsMessage::FanOut;
    ReleaseMessage => EventsMessage::Release;
    SkipMessage => EventsMessage::Skip;
    JobMessage => EventsMessage::Job;
    DeliverMessage => ChannelMessage::Deliver;
    GivenUpMessage => ChannelMessage::GivenUp;
}
