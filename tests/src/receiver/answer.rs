//! What a receiver does with a request.

use std::time::Duration;

use bytes::Bytes;

/// What a receiver does with a request. The default is an empty 200.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) kind: Kind,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) delay: Delay,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// This body.
    Body(Bytes),
    /// A body that never ends.
    Endless,
    /// The beginning of a longer body, then the end of the connection.
    Cut(Bytes),
    /// No answer, and the connection stays open.
    Hang,
    /// No answer, and the connection is closed.
    Close,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Delay {
    None,
    For(Duration),
    /// At random, less than this.
    UpTo(Duration),
}

impl Default for Answer {
    fn default() -> Self {
        Self::status(200)
    }
}

impl Answer {
    /// An empty answer with this status.
    pub const fn status(status: u16) -> Self {
        Self { kind: Kind::Body(Bytes::new()), status, headers: Vec::new(), delay: Delay::None }
    }

    /// An empty 200.
    pub const fn ok() -> Self {
        Self::status(200)
    }

    /// A 200 with a body that goes on for as long as somebody reads.
    pub fn endless() -> Self {
        Self { kind: Kind::Endless, ..Self::ok() }
    }

    /// A 200 whose body breaks off after these bytes.
    pub fn cut(body: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Cut(body.into()), ..Self::ok() }
    }

    /// No answer at all, on a connection that stays open.
    pub fn hang() -> Self {
        Self { kind: Kind::Hang, ..Self::ok() }
    }

    /// No answer: the connection is closed.
    pub fn close() -> Self {
        Self { kind: Kind::Close, ..Self::ok() }
    }

    /// The same with a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Body(body.into()), ..self }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same, some time after the request.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay: Delay::For(delay), ..self }
    }

    /// The same, a random time after the request.
    #[must_use]
    pub fn after_up_to(self, delay: Duration) -> Self {
        Self { delay: Delay::UpTo(delay), ..self }
    }
}
