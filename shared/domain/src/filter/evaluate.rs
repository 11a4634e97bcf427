//! Runs a filter's rules over the fields that were found in the event's data.

use std::cell::OnceCell;
use std::cmp::Ordering;

use super::error::{Mismatch, clip};
use super::fields;
use super::rule::{Group, Literal, Order, Rule, Test};
use super::value::{Scalar, is_substring, read_elements};

/// An event's data as one filter sees it: its fields, each read once.
pub(super) struct View<'f, 'd> {
    paths: &'f [String],
    fields: Vec<Option<Field<'d>>>,
}

/// A field that is present.
struct Field<'d> {
    json: &'d str,
    /// `None` for an object or a list.
    scalar: Option<Scalar<'d>>,
    /// A list's elements, read when first asked for.
    elements: OnceCell<Vec<Scalar<'d>>>,
}

impl<'f, 'd> View<'f, 'd> {
    pub(super) fn new(paths: &'f [String], data: &'d str) -> Self {
        let read = |json| Field { json, scalar: Scalar::read(json), elements: OnceCell::new() };
        let fields = fields::find(paths, data).into_iter().map(|field| field.map(read)).collect();
        Self { paths, fields }
    }

    pub(super) fn holds(&self, group: &Group) -> bool {
        group.0.iter().all(|rule| match rule {
            Rule::Field { path, tests } => tests.iter().all(|test| test.holds(self.fields[*path].as_ref())),
            Rule::And(groups) => groups.iter().all(|group| self.holds(group)),
            Rule::Or(groups) => groups.iter().any(|group| self.holds(group)),
            Rule::Not(group) => !self.holds(group),
        })
    }

    /// The first rule that does not hold, in words.
    pub(super) fn explain(&self, group: &Group) -> Result<(), Mismatch> {
        group.0.iter().try_for_each(|rule| match rule {
            Rule::Field { path, tests } => {
                let field = self.fields[*path].as_ref();
                match tests.iter().find(|test| !test.holds(field)) {
                    Some(test) => Err(mismatch(&clip(&self.paths[*path]), test.reason(field))),
                    None => Ok(()),
                }
            }
            Rule::And(groups) => groups.iter().enumerate().try_for_each(|(index, group)| {
                self.explain(group)
                    .map_err(|inner| mismatch(&format!("and[{index}].{}", inner.path), inner.reason))
            }),
            Rule::Or(groups) if !groups.iter().any(|group| self.holds(group)) => {
                Err(mismatch("or", format!("none of its {} filters matches", groups.len())))
            }
            Rule::Not(group) if self.holds(group) => {
                Err(mismatch("not", "the filter inside it matches".to_owned()))
            }
            Rule::Or(_) | Rule::Not(_) => Ok(()),
        })
    }
}

fn mismatch(path: &str, reason: String) -> Mismatch {
    Mismatch { path: path.to_owned(), reason }
}

impl Test {
    fn holds(&self, field: Option<&Field<'_>>) -> bool {
        let Some(field) = field else {
            return matches!(self, Self::Ne(_) | Self::NotIn(_) | Self::Exists(false));
        };
        match self {
            Self::Eq(literal) => field.equals(literal),
            Self::Ne(literal) => !field.equals(literal),
            Self::Order(order, literal) => field
                .scalar
                .as_ref()
                .and_then(|scalar| scalar.order(&literal.value))
                .is_some_and(|ordering| order.accepts(ordering)),
            Self::In(literals) => literals.iter().any(|literal| field.equals(literal)),
            Self::NotIn(literals) => !literals.iter().any(|literal| field.equals(literal)),
            Self::Exists(wanted) => *wanted,
            Self::Prefix(literal) => field.texts(literal).is_some_and(|(text, part)| text.starts_with(part)),
            Self::Suffix(literal) => field.texts(literal).is_some_and(|(text, part)| text.ends_with(part)),
            Self::Contains(literal) if field.json.starts_with('[') => {
                field.elements.get_or_init(|| read_elements(field.json)).contains(&literal.value)
            }
            Self::Contains(literal) => {
                field.texts(literal).is_some_and(|(text, part)| is_substring(text, part))
            }
        }
    }

    /// Why this test, which does not hold, fails.
    fn reason(&self, field: Option<&Field<'_>>) -> String {
        let Some(field) = field else { return "the field is missing".to_owned() };
        let shown = field.shown();
        match self {
            Self::Eq(literal) => format!("{shown} is not equal to {}", literal.shown),
            Self::Ne(literal) => format!("{shown} is equal to {}", literal.shown),
            Self::Order(order, Literal { value, shown: limit }) => match &field.scalar {
                Some(scalar) if scalar.order(value).is_some() => {
                    format!("{shown} is not {} {limit}", order.words())
                }
                _ => format!("{shown} is not {} and cannot be compared with {limit}", value.kind()),
            },
            Self::In(literals) => format!("{shown} is not one of {}", list(literals)),
            Self::NotIn(literals) => format!("{shown} is one of {}", list(literals)),
            Self::Exists(_) => "the field is present".to_owned(),
            Self::Prefix(literal) => format!("{shown} does not start with {}", literal.shown),
            Self::Suffix(literal) => format!("{shown} does not end with {}", literal.shown),
            Self::Contains(literal) => format!("{shown} does not contain {}", literal.shown),
        }
    }
}

fn list(literals: &[Literal]) -> String {
    let shown: Vec<_> = literals.iter().map(|literal| literal.shown.as_str()).collect();
    clip(&shown.join(", "))
}

impl Field<'_> {
    fn equals(&self, literal: &Literal) -> bool {
        self.scalar.as_ref() == Some(&literal.value)
    }

    /// The field and the literal as strings, when both are.
    fn texts<'a>(&'a self, literal: &'a Literal) -> Option<(&'a [u8], &'a [u8])> {
        Some((self.scalar.as_ref()?.as_text()?, literal.value.as_text()?))
    }

    fn shown(&self) -> String {
        match self.json.as_bytes().first() {
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "the list".to_owned(),
            _ => clip(self.json),
        }
    }
}

impl Order {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Greater => "greater than",
            Self::GreaterOrEqual => "greater than or equal to",
            Self::Less => "less than",
            Self::LessOrEqual => "less than or equal to",
        }
    }
}
