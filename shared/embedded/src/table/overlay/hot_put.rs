//! The puts that the overlay takes, and when their conditions hold.

use postrider_application::ports::table::{Expression, Item, Put, TableName, Value};

use super::packed::{Packed, Place, is_plain_number};

/// A put of the kind that flows with events: into the ledger, of a plain item, on a plain condition.
#[derive(Debug, Clone)]
pub(in crate::table) struct HotPut {
    pub(in crate::table) place: Place,
    pub(in crate::table) packed: Packed,
    pub(super) condition: Condition,
    /// Whether an index may hold the item.
    pub(super) indexed: bool,
    /// When the item expires, in seconds since the Unix epoch.
    pub(super) expires_at: u64,
}

/// What must hold of the item that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Anything.
    None,
    /// There is none: `attribute_not_exists(pk)`.
    Absent,
    /// Its attribute `version` is this number: `version = :version`.
    Version(String),
}

impl HotPut {
    /// The put in this form, if it is one of the kind.
    pub(in crate::table) fn recognise(put: &Put) -> Option<Self> {
        if put.table != TableName::Ledger {
            return None;
        }
        let condition = Condition::recognise(put.condition.as_ref())?;
        let (place, packed, indexed) = Packed::pack(&put.item)?;
        let expires_at = match put.item.get("expires_at") {
            Some(Value::N(at)) => at.parse().unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        Some(Self { place, packed, condition, indexed, expires_at })
    }
}

impl Condition {
    fn recognise(expression: Option<&Expression>) -> Option<Self> {
        let Some(Expression { text, names, values }) = expression else { return Some(Self::None) };
        if !names.is_empty() {
            return None;
        }
        match (&**text, values.len(), values.get(":version")) {
            ("attribute_not_exists(pk)", 0, None) => Some(Self::Absent),
            ("version = :version", 1, Some(Value::N(number))) if is_plain_number(number) => {
                Some(Self::Version(number.to_owned()))
            }
            _ => None,
        }
    }

    /// Whether it holds of an item that is there, in the overlay.
    pub(super) fn holds_of(&self, there: &Packed) -> bool {
        match self {
            Self::None => true,
            Self::Absent => false,
            Self::Version(version) => there.number("version") == Some(version),
        }
    }

    /// Whether it holds of an item that is there, in the engine, which writes every number in one way.
    pub(super) fn holds_of_item(&self, there: &Item) -> bool {
        match self {
            Self::None => true,
            Self::Absent => false,
            Self::Version(version) => {
                matches!(there.get("version"), Some(Value::N(number)) if number == version)
            }
        }
    }

    /// Whether it holds where nothing is.
    pub(super) fn holds_of_nothing(&self) -> bool {
        matches!(self, Self::None | Self::Absent)
    }
}
