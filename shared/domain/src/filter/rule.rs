//! The checked form of a filter that [`super::parse`] makes and [`super::evaluate`] runs.

use super::error::clip;
use super::value::Scalar;

/// Rules that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group(pub(super) Vec<Rule>);

/// One member of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Tests, all of which must hold, on the field whose path has this place in the filter's list.
    Field {
        path: usize,
        tests: Vec<Test>,
    },
    And(Vec<Group>),
    Or(Vec<Group>),
    Not(Group),
}

/// One operator with its operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Eq(Literal),
    Ne(Literal),
    Order(Order, Literal),
    In(Vec<Literal>),
    NotIn(Vec<Literal>),
    Exists(bool),
    Prefix(Literal),
    Suffix(Literal),
    Contains(Literal),
}

/// The operators on the order of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A value that the filter's author wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) value: Scalar<'static>,
    /// The value as it was written, cut for messages.
    pub(super) shown: String,
}

impl Literal {
    pub(super) fn new(value: Scalar<'static>, source: &str) -> Self {
        Self { value, shown: clip(source) }
    }
}
