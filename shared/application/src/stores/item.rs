//! Between items and the structs that describe them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::table::{AttributeValue, Item, TableError, TableName};

/// The struct as an item; fields that are `None` should be skipped by it.
pub(super) fn encode<T: Serialize>(table: TableName, value: &T) -> Result<Item, TableError> {
    // Asked for as a value, because `to_item` would build the map twice.
    match serde_dynamo::to_attribute_value(value) {
        Ok(AttributeValue::M(item)) => Ok(item),
        Ok(_) => Err(invalid(table, "an item is made of a struct")),
        Err(error) => Err(invalid(table, error)),
    }
}

/// The item as a struct; attributes that the struct does not name are ignored.
pub(super) fn decode<T: DeserializeOwned>(table: TableName, item: Item) -> Result<T, TableError> {
    serde_dynamo::from_item(item).map_err(|error| TableError::Invalid { table, source: error.into() })
}

/// An item's attribute does not hold what it should.
pub(super) fn invalid(
    table: TableName,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> TableError {
    TableError::Invalid { table, source: source.into() }
}

/// A text attribute of an item, such as its range key.
pub(super) fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => text,
        _ => "",
    }
}

/// A number attribute of an item that counts something; `None` where it has none.
pub(super) fn number(item: &Item, attribute: &str) -> Option<u64> {
    match item.get(attribute) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}
