//! Subscriptions: which events an endpoint asked for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{EventType, Filter};

/// A pattern for event types: a type (`payment.success`), everything below a prefix at any depth
/// (`payment.*`), or everything that is published (`*`): Postrider's own events are asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

/// The text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is an event type (payment.success), a prefix with everything below it (payment.*) or everything (*)"
)]
pub struct PatternError;

impl Pattern {
    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether events of this type match.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => !event_type.is_reserved(),
            Some(prefix) => event_type.as_str().starts_with(prefix),
            None => *self.0 == *event_type.as_str(),
        }
    }

    /// Every pattern that matches events of this type, so that a match is a look-up by key:
    /// for `a.b.c` these are `a.b.c`, `a.b.*`, `a.*` and `*`, the last not for Postrider's own events.
    pub fn all_matching(event_type: &EventType) -> Vec<Self> {
        let text = event_type.as_str();
        let prefixes = text.match_indices('.').map(|(at, _)| Self([&text[..at], ".*"].concat().into()));
        let mut patterns = vec![Self(text.into())];
        patterns.extend((!event_type.is_reserved()).then(|| Self("*".into())));
        patterns.extend(prefixes);
        patterns
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text == "*" || text.strip_suffix(".*").unwrap_or(text).parse::<EventType>().is_ok();
        if valid { Ok(Self(text.into())) } else { Err(PatternError) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern and, optionally, a filter on the event's data.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// The event types that are asked for.
    pub pattern: Pattern,
    /// What the data must be like; everything when absent.
    pub filter: Option<Filter>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_types() {
        let cases = [
            ("payment.success", "payment.success", true),
            ("payment.success", "payment.success.late", false),
            ("payment.*", "payment.success", true),
            ("payment.*", "payment.refund.done", true),
            ("payment.*", "payment", false),
            ("payment.*", "payments.success", false),
            ("*", "anything", true),
            ("*", "postrider", true),
            ("*", "postrider.endpoint.disabled", false),
            ("postrider.*", "postrider.endpoint.disabled", true),
        ];
        for (pattern, event_type, expected) in cases {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&event_type.parse().unwrap()), expected, "{pattern} {event_type}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "**", ".*", "a*", "*.a", "a.*.b", "a..*", "a b"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_listed_patterns_are_just_those_that_match(
            event_type in "([ab]|postrider)(\\.[ab]){0,3}",
            pattern in "(([ab]|postrider)(\\.[ab]){0,3}(\\.\\*)?)|\\*",
        ) {
            let event_type: EventType = event_type.parse().unwrap();
            let pattern: Pattern = pattern.parse().unwrap();
            let listed = Pattern::all_matching(&event_type);
            prop_assert_eq!(listed.contains(&pattern), pattern.matches(&event_type));
        }
    }
}
