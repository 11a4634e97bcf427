//! A struct's fields as an item's attributes.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde_dynamo::{Error, to_attribute_value};

use super::plain::Plain;
use crate::ports::table::Item;

/// Writes a struct, field by field, and nothing else.
pub(super) struct Fields;

/// An item that is being written.
pub(super) struct Attributes(Item);

impl SerializeStruct for Attributes {
    type Ok = Item;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if self.0.push_written(name, |text| value.serialize(Plain(text))).is_err() {
            self.0.push(name, to_attribute_value(value)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Item, Error> {
        Ok(self.0)
    }
}

fn no_struct() -> Error {
    Error::custom("an item is made of a struct")
}

impl Serializer for Fields {
    type Ok = Item;
    type Error = Error;
    type SerializeSeq = Impossible<Item, Error>;
    type SerializeTuple = Impossible<Item, Error>;
    type SerializeTupleStruct = Impossible<Item, Error>;
    type SerializeTupleVariant = Impossible<Item, Error>;
    type SerializeMap = Impossible<Item, Error>;
    type SerializeStruct = Attributes;
    type SerializeStructVariant = Impossible<Item, Error>;

    fn serialize_struct(self, _: &'static str, fields: usize) -> Result<Attributes, Error> {
        Ok(Attributes(Item::with_capacity(fields)))
    }

    refuse! { no_struct();
        serialize_bool(bool) -> Item;
        serialize_i8(i8) -> Item;
        serialize_i16(i16) -> Item;
        serialize_i32(i32) -> Item;
        serialize_i64(i64) -> Item;
        serialize_u8(u8) -> Item;
        serialize_u16(u16) -> Item;
        serialize_u32(u32) -> Item;
        serialize_u64(u64) -> Item;
        serialize_f32(f32) -> Item;
        serialize_f64(f64) -> Item;
        serialize_char(char) -> Item;
        serialize_str(&str) -> Item;
        serialize_bytes(&[u8]) -> Item;
        serialize_none() -> Item;
        serialize_unit() -> Item;
        serialize_unit_struct(&'static str) -> Item;
        serialize_unit_variant(&'static str, u32, &'static str) -> Item;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Item, Error> {
        Err(no_struct())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Item, Error> {
        Err(no_struct())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Item, Error> {
        Err(no_struct())
    }
}
