//! A struct's fields as an item's attributes.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde_dynamo::{Error, to_attribute_value};

use crate::ports::table::Item;

/// Writes a struct, field by field, and nothing else.
pub(super) struct Fields;

/// An item that is being written.
pub(super) struct Attributes(Item);

impl SerializeStruct for Attributes {
    type Ok = Item;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.0.push(name, to_attribute_value(value)?);
        Ok(())
    }

    fn end(self) -> Result<Item, Error> {
        Ok(self.0)
    }
}

fn no_struct<T>() -> Result<T, Error> {
    Err(Error::custom("an item is made of a struct"))
}

/// Methods of a serializer for single values, which an item is not.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*))*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<Item, Error> { no_struct() })*
    };
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

    refuse! {
        serialize_bool(bool)
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
        serialize_f32(f32)
        serialize_f64(f64)
        serialize_char(char)
        serialize_str(&str)
        serialize_bytes(&[u8])
        serialize_none()
        serialize_unit()
        serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Item, Error> {
        no_struct()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Item, Error> {
        no_struct()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Item, Error> {
        no_struct()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        no_struct()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        no_struct()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        no_struct()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        no_struct()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        no_struct()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        no_struct()
    }
}
