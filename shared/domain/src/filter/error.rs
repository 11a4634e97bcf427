//! What a filter reports: why its text was refused, and why an event did not match.

use thiserror::Error;

/// Characters of a value or name that are shown in a message.
const SHOWN_CHARACTERS: usize = 64;

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{message}", prefix(path))]
pub struct FilterError {
    /// The member at fault, such as `amount.gt` or `and[1].tag.in`; empty for the filter as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl FilterError {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

/// Why an event's data does not pass a filter: the first condition that failed, in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{reason}", prefix(path))]
pub struct Mismatch {
    /// The field or combinator whose condition failed, such as `amount` or `and[1].tag`.
    pub path: String,
    /// What did not hold, such as `90 is not greater than 100`; long values are cut.
    pub reason: String,
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// The path of a member below a path that may be empty.
pub(super) fn join(path: &str, member: &str) -> String {
    format!("{path}{}{}", if path.is_empty() { "" } else { "." }, clip(member))
}

/// The text, cut where it is too long to show.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
