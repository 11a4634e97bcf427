//! What is wrong with one field of a request, in words for the caller.

use std::fmt;

/// One field that was refused: where it is and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldProblem {
    /// The field's path in the request, such as `config.url` or `subscriptions[2].filter`.
    pub field: String,
    /// What is wrong and what is accepted instead.
    pub message: String,
}

impl FieldProblem {
    /// Names a field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }

    /// The same problem, one level further out: `within("config")` turns `url` into `config.url`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = match self.field.as_str() {
            "" => parent.to_owned(),
            field if field.starts_with('[') => format!("{parent}{field}"),
            field => format!("{parent}.{field}"),
        };
        self
    }
}
