//! Between items and the structs that describe them.

/// Methods of a serializer for kinds of values that it does not take.
macro_rules! refuse {
    ($error:expr; $($method:ident($($argument:ty),*) -> $answer:ty;)*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<$answer, Self::Error> { Err($error) })*
    };
}

mod fields;
mod plain;

use serde::Serialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_dynamo::Deserializer;

use self::fields::Fields;
use crate::ports::table::{AttributeValue, Item, Key, TableError, TableName, Value};

/// The struct as an item; fields that are `None` should be skipped by it.
pub(super) fn encode<T: Serialize>(table: TableName, value: &T) -> Result<Item, TableError> {
    value.serialize(Fields).map_err(|error| invalid(table, error))
}

/// The item as a struct; attributes that the struct does not name are ignored.
pub(super) fn decode<T: DeserializeOwned>(table: TableName, item: Item) -> Result<T, TableError> {
    let attributes = item.into_attributes().map(|(name, value)| (name, Owned(value)));
    T::deserialize(MapDeserializer::new(attributes)).map_err(|error| invalid(table, error))
}

/// An attribute's value, to be read.
struct Owned(AttributeValue);

impl IntoDeserializer<'_, serde_dynamo::Error> for Owned {
    type Deserializer = Deserializer;

    fn into_deserializer(self) -> Deserializer {
        Deserializer::from_attribute_value(self.0)
    }
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
        Some(Value::S(text)) => text,
        _ => "",
    }
}

/// An item's key.
pub(super) fn key_of(item: &Item) -> Key {
    Key::new(text(item, "pk"), text(item, "sk"))
}

/// A number attribute of an item that counts something; `None` where it has none.
pub(super) fn number(item: &Item, attribute: &str) -> Option<u64> {
    match item.get(attribute) {
        Some(Value::N(number)) => number.parse().ok(),
        _ => None,
    }
}
