//! The JSON of the API, read into and written from the domain's types.

pub(crate) mod batch;
pub(crate) mod dead_letter;
pub(crate) mod delivery;
pub(crate) mod endpoint;
pub(crate) mod event;
mod findings;
pub(crate) mod health;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod master_key;
mod number;
pub(crate) mod parked;
pub(crate) mod publish;
pub(crate) mod rate_limit;
pub(crate) mod reconciliation;
pub(crate) mod redrive;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod signing;
pub(crate) mod tenant;

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use findings::Findings;
pub(crate) use number::Number;

/// Text that is borrowed from the body where its JSON has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The text of a field that may be missing.
    fn of(field: &Option<Self>) -> Option<&str> {
        field.as_ref().map(|text| &*text.0)
    }
}

/// Something that is an object: serde's derived code would take a list of its fields too.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// A value that is written as its text.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Tells a field that is `null` from one that is missing.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
