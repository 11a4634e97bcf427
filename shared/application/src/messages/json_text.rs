//! JSON text that is kept as it came.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::MessageError;

/// The text of one JSON value, found to be one when it was read, and shared by everything it is written into. In a box
/// as well, from which it could be taken only by a copy.
#[derive(Clone)]
pub struct JsonText(Arc<Box<RawValue>>);

impl JsonText {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text's bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for JsonText {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl From<&RawValue> for JsonText {
    fn from(value: &RawValue) -> Self {
        Self(Arc::new(value.to_owned()))
    }
}

impl TryFrom<String> for JsonText {
    type Error = MessageError;

    fn try_from(text: String) -> Result<Self, MessageError> {
        RawValue::from_string(text).map(|value| Self(Arc::new(value))).map_err(MessageError::new)
    }
}

impl FromStr for JsonText {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        text.to_owned().try_into()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonText {}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(|value| Self(Arc::new(value)))
    }
}
