//! The content filter of a subscription: conditions on the event's JSON data which decide whether an
//! event of a matching type is delivered.
//!
//! A filter is a JSON object whose members must all hold; `{}` matches every event:
//!
//! ```json
//! {"amount": {"gt": 100}, "region": "US", "tag": {"in": ["a", "b"]}, "user.name": {"prefix": "x"}}
//! ```
//!
//! **Fields.** A member's name is a dotted path into the data; on a list, a number is an index from 0
//! (`items.0.sku`). On each object the whole remaining path is tried as one key before its first
//! segment, so `user.name` finds `{"user.name": 1}` before `{"user": {"name": 1}}`. Of a repeated key
//! the last one counts.
//!
//! **Conditions.** A string, number, boolean or null stands for `eq`. An object holds operators, all of
//! which must hold:
//!
//! | operator | holds when |
//! |---|---|
//! | `eq`, `ne` | the field equals the value; it does not |
//! | `gt`, `gte`, `lt`, `lte` | both are numbers, or both strings (by code point), in that order |
//! | `in`, `nin` | the field equals one of the listed values; it equals none |
//! | `exists` | the field is present (`true`; null counts as present) or missing (`false`) |
//! | `prefix`, `suffix` | the field is a string that starts or ends so |
//! | `contains` | the field is a string with this substring, or a list with an equal element |
//!
//! Values of different types are never equal and have no order. On a missing field only `ne`, `nin` and
//! `exists: false` hold. Numbers are compared exactly as decimals, whatever their length.
//!
//! **Combinators.** `and` and `or` take a non-empty list of filters and `not` takes one, so a top-level
//! field named exactly `and`, `or` or `not` cannot be addressed; below another field it can
//! (`user.not`).

mod error;
mod evaluate;
mod fields;
mod number;
mod operators;
mod parse;
mod rule;
mod value;

#[cfg(test)]
mod tests;

pub use error::{FilterError, Mismatch};

use evaluate::View;
use rule::Group;

/// A checked content filter; see the module for its syntax and meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    /// The distinct paths that the rules look at; a rule names its field by the place in this list.
    paths: Vec<String>,
    rules: Group,
}

impl Filter {
    /// Reads a filter from its JSON text.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says where and what: the text is not JSON, names an unknown operator, gives an
    /// operator a value it cannot use, repeats a member, or passes a limit: 8 KiB of text, 8 levels of
    /// combinators, 64 conditions, 256 values in one `in` or `nin`, 32 segments in one path.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let (paths, rules) = parse::parse(text)?;
        Ok(Self { text: text.to_owned(), paths, rules })
    }

    /// The JSON text this filter was read from, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an event with this data, a JSON text, passes the filter. Text that is not JSON has no
    /// fields.
    #[must_use]
    pub fn matches(&self, data: &str) -> bool {
        View::new(&self.paths, data).holds(&self.rules)
    }

    /// Like [`Filter::matches`], and tells the first condition that failed.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] when the data does not pass the filter.
    pub fn explain(&self, data: &str) -> Result<(), Mismatch> {
        View::new(&self.paths, data).explain(&self.rules)
    }
}
