//! Texts and numbers, written into an item without a step in between.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use crate::ports::table::Kind;

/// Adds a value to a text, if it is a text or a whole number.
pub(super) struct Plain<'a>(pub(super) &'a mut String);

/// The value is neither, or cannot be written.
#[derive(Debug)]
pub(super) struct NotPlain;

impl Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a text nor a whole number")
    }
}

impl std::error::Error for NotPlain {}

impl ser::Error for NotPlain {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// Methods for kinds of values that are written in digits.
macro_rules! numbers {
    ($($method:ident($number:ty))*) => {
        $(fn $method(self, number: $number) -> Result<Kind, NotPlain> {
            self.0.push_str(itoa::Buffer::new().format(number));
            Ok(Kind::Number)
        })*
    };
}

impl Serializer for Plain<'_> {
    type Ok = Kind;
    type Error = NotPlain;
    type SerializeSeq = Impossible<Kind, NotPlain>;
    type SerializeTuple = Impossible<Kind, NotPlain>;
    type SerializeTupleStruct = Impossible<Kind, NotPlain>;
    type SerializeTupleVariant = Impossible<Kind, NotPlain>;
    type SerializeMap = Impossible<Kind, NotPlain>;
    type SerializeStruct = Impossible<Kind, NotPlain>;
    type SerializeStructVariant = Impossible<Kind, NotPlain>;

    fn serialize_str(self, text: &str) -> Result<Kind, NotPlain> {
        self.0.push_str(text);
        Ok(Kind::Text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Kind, NotPlain> {
        write!(self.0, "{value}").map_err(ser::Error::custom)?;
        Ok(Kind::Text)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Kind, NotPlain> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Kind, NotPlain> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Kind, NotPlain> {
        Err(NotPlain)
    }

    numbers! {
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
    }

    refuse! { NotPlain;
        serialize_bool(bool) -> Kind;
        serialize_f32(f32) -> Kind;
        serialize_f64(f64) -> Kind;
        serialize_char(char) -> Kind;
        serialize_bytes(&[u8]) -> Kind;
        serialize_none() -> Kind;
        serialize_unit() -> Kind;
        serialize_unit_struct(&'static str) -> Kind;
        serialize_unit_variant(&'static str, u32, &'static str) -> Kind;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
