//! Events: what was published, without its data, which is opaque to everything but filters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{EndpointId, EventId, FieldProblem, Priority, TenantId, Timestamp};

/// The largest `data` of an event in bytes. What carries an event here may carry less: a request that becomes a
/// Lambda invocation has 6 MB with everything around it, a message of SQS 1 MiB.
pub const MAX_DATA_BYTES: usize = 5_000_000;

/// How far ahead an event can be published to be delivered later.
pub const MAX_AHEAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most tags that an event can have.
pub const MAX_TAGS: usize = 20;

/// What the types of Postrider's own events begin with.
const RESERVED: &str = "postrider.";

/// An event's type: words of letters, digits, `_` and `-`, joined by dots, at most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Arc<str>);

/// The text is not an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an event type is words of letters, digits, '_' or '-' joined by dots, such as payment.success, at most 128 characters"
)]
pub struct EventTypeError;

impl EventType {
    /// The type's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only Postrider publishes events of this type.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if text.len() <= 128 && text.split('.').all(word) {
            Ok(Self(text.into()))
        } else {
            Err(EventTypeError)
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which endpoints an event is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    /// Every endpoint with a subscription that matches.
    #[default]
    Subscribers,
    /// Every endpoint that is marked as a default, whatever it subscribes to.
    Defaults,
    /// Just these endpoints, whatever they subscribe to.
    Endpoints(Vec<EndpointId>),
}

/// An event that was accepted. Its data is kept beside it, as the text it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The tenant that published it.
    pub tenant: TenantId,
    /// Unique within the tenant.
    pub id: EventId,
    /// What kind of fact it is.
    pub event_type: EventType,
    /// When it was accepted here.
    pub accepted_at: Timestamp,
    /// When it happened, if the publisher said so.
    pub occurred_at: Option<Timestamp>,
    /// Where it comes from, in the publisher's words.
    pub source: Option<String>,
    /// What ties it to other events, in the publisher's words.
    pub correlation_id: Option<String>,
    /// Labels of the publisher's choice.
    pub tags: Vec<String>,
    /// Which endpoints it is for.
    pub audience: Audience,
    /// When it is to be delivered, if not at once. It may be past.
    pub deliver_at: Option<Timestamp>,
    /// How urgent it is.
    pub priority: Priority,
}

impl Event {
    /// When its endpoints are looked up and its deliveries begin.
    pub fn begins_at(&self) -> Timestamp {
        self.deliver_at.unwrap_or_default().max(self.accepted_at)
    }

    /// The moment that receivers are told: when it happened or, where that is unknown, was accepted.
    pub fn timestamp(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.accepted_at)
    }

    /// Whether it is one of Postrider's own, about this endpoint: that is told to others.
    pub fn is_about(&self, endpoint: EndpointId) -> bool {
        self.event_type.is_reserved() && self.correlation_id.as_ref() == Some(&endpoint.to_string())
    }

    /// Checks the free-text fields.
    ///
    /// # Errors
    /// One problem for each field that is too long or empty.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        check_text(&mut problems, "source", self.source.as_deref(), 256);
        check_text(&mut problems, "correlation_id", self.correlation_id.as_deref(), 256);
        if self.tags.len() > MAX_TAGS {
            problems.push(FieldProblem::new("tags", format!("at most {MAX_TAGS} tags")));
        }
        for (index, tag) in self.tags.iter().enumerate() {
            check_text(&mut problems, &format!("tags[{index}]"), Some(tag), 64);
        }
        if self.begins_at().since(self.accepted_at) > MAX_AHEAD {
            problems.push(FieldProblem::new("deliver_at", "at most 30 days ahead"));
        }
        if let Audience::Endpoints(endpoints) = &self.audience
            && !(1..=100).contains(&endpoints.len())
        {
            problems.push(FieldProblem::new("endpoints", "name 1 to 100 endpoints, or write \"default\""));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// A digest of everything the publisher said: two events with the same id are the same event exactly
    /// when these agree.
    pub fn content_digest(&self, data: &str) -> ContentDigest {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        field(self.event_type.as_str());
        field(data);
        field(&self.occurred_at.map(|at| at.to_string()).unwrap_or_default());
        field(self.source.as_deref().unwrap_or_default());
        field(self.correlation_id.as_deref().unwrap_or_default());
        match &self.audience {
            Audience::Subscribers => field(""),
            Audience::Defaults => field("default"),
            Audience::Endpoints(endpoints) => endpoints.iter().for_each(|id| field(&id.to_string())),
        }
        for tag in &self.tags {
            field(tag);
        }
        // No tag begins with a control character. Events that say nothing of this keep the digest they had before.
        if let Some(at) = self.deliver_at {
            field(&format!("\0deliver_at {at}"));
        }
        if self.priority != Priority::default() {
            field(&format!("\0priority {}", self.priority));
        }
        ContentDigest(hex::encode(&hash.finalize()[..16]))
    }
}

/// The first 128 bits of a SHA-256 over an event's content, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentDigest(String);

impl ContentDigest {
    /// A digest that was stored.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The digest's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_text(problems: &mut Vec<FieldProblem>, field: &str, text: Option<&str>, limit: usize) {
    if text.is_some_and(|text| text.is_empty() || text.len() > limit || text.chars().any(char::is_control)) {
        problems
            .push(FieldProblem::new(field, format!("1 to {limit} bytes of text without control characters")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_dotted_words() {
        for good in ["a", "payment.success", "A-1._x", &"x".repeat(128)] {
            assert!(good.parse::<EventType>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "é", &"x".repeat(129)] {
            assert!(bad.parse::<EventType>().is_err(), "{bad}");
        }
    }

    fn event() -> Event {
        Event {
            tenant: "acme".parse().unwrap(),
            id: "e1".parse().unwrap(),
            event_type: "a.b".parse().unwrap(),
            accepted_at: Timestamp::from_millis(5),
            occurred_at: None,
            source: None,
            correlation_id: None,
            tags: vec![],
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: Priority::default(),
        }
    }

    #[test]
    fn the_digest_covers_what_was_said_and_not_when() {
        let first = event();
        let again = Event { accepted_at: Timestamp::from_millis(9), ..event() };
        assert_eq!(first.content_digest("{}"), again.content_digest("{}"));
        assert_ne!(first.content_digest("{}"), first.content_digest("{ }"));
        let others = [
            Event { source: Some("x".into()), ..event() },
            Event { correlation_id: Some("x".into()), ..event() },
            Event { tags: vec!["x".into()], ..event() },
            Event { audience: Audience::Defaults, ..event() },
            Event { occurred_at: Some(Timestamp::from_millis(5)), ..event() },
            Event { deliver_at: Some(Timestamp::from_millis(5)), ..event() },
            Event { priority: Priority::try_from(9).unwrap(), ..event() },
        ];
        for other in others {
            assert_ne!(first.content_digest("{}"), other.content_digest("{}"), "{other:?}");
        }
    }

    #[test]
    fn text_fields_are_bounded() {
        let bad = Event { source: Some(String::new()), tags: vec!["x".repeat(65)], ..event() };
        let fields: Vec<String> = bad.check().unwrap_err().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["source", "tags[0]"]);
    }
}
