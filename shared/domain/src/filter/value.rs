//! Values of the event's data and of the filter, read from JSON text without loss: numbers stay
//! decimals, and a string that is not Unicode (a lone surrogate escape) stays the bytes it is.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserializer as _, Visitor};
use serde_json::value::RawValue;

use super::number::Number;

/// A value that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(Number<'a>),
    /// UTF-8, except for lone surrogates; the order of the bytes is that of the code points.
    Text(Cow<'a, [u8]>),
}

impl<'a> Scalar<'a> {
    /// Reads a JSON text without surrounding whitespace; `None` for a list, an object or other text.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        match json.as_bytes().first()? {
            b'n' => Some(Self::Null),
            b't' => Some(Self::Boolean(true)),
            b'f' => Some(Self::Boolean(false)),
            b'"' => read_text(json).map(Self::Text),
            _ => Number::parse(json).map(Self::Number),
        }
    }

    /// The same value, independent of the text it was read from.
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Null => Scalar::Null,
            Self::Boolean(value) => Scalar::Boolean(value),
            Self::Number(number) => Scalar::Number(number.into_owned()),
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The order of two numbers or two strings; other values have none.
    pub(super) fn order(&self, other: &Scalar<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(left), Scalar::Number(right)) => Some(left.cmp(right)),
            (Self::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What the value is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
        }
    }
}

/// Whether `needle`, which is UTF-8, occurs in `text`; in linear time.
pub(super) fn is_substring(text: &[u8], needle: &[u8]) -> bool {
    let Ok(needle) = str::from_utf8(needle) else { return false };
    // UTF-8 cannot span a lone surrogate, so each stretch between them is searched by itself.
    needle.is_empty() || text.utf8_chunks().any(|chunk| chunk.valid().contains(needle))
}

/// The elements of a JSON list that can be compared; none when the text is not a list.
pub(super) fn read_elements(json: &str) -> Vec<Scalar<'_>> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    elements.into_iter().filter_map(|element| Scalar::read(element.get())).collect()
}

fn read_text(json: &str) -> Option<Cow<'_, [u8]>> {
    serde_json::Deserializer::from_str(json).deserialize_bytes(TextVisitor).ok()
}

/// Reads a string as bytes, the one form in which `serde_json` accepts lone surrogates.
struct TextVisitor;

impl<'d> Visitor<'d> for TextVisitor {
    type Value = Cow<'d, [u8]>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'d [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}
