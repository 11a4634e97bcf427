//! The compact form of an item that the engine does not have yet, in memory and in the log.

use std::sync::Arc;

use bytes::Bytes;
use postrider_application::ports::table::{AttributeValue, IndexName, Item, Key, Value};

/// The largest item that is packed, in bytes; well below DynamoDB's 400 KB, so that no way of counting matters.
const MAX_BYTES: usize = 256 * 1024;

/// DynamoDB's limit of a hash key in bytes.
const MAX_PK: usize = 2048;

/// The same of the range key, and of keys of indexes.
const MAX_SK: usize = 1024;

/// Most digits of a number that is packed: any of so many is a `u64`.
const MAX_DIGITS: usize = 19;

const TEXT: u8 = b'S';
const NUMBER: u8 = b'N';

/// Where an item is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::table) struct Place {
    pub(in crate::table) pk: Arc<str>,
    pub(in crate::table) sk: Arc<str>,
}

impl Place {
    pub(in crate::table) fn new(pk: &str, sk: &str) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// Where an item says that it is; `None` when its keys are not such as the engine takes.
    pub(in crate::table) fn of(item: &Item) -> Option<Self> {
        Some(Self::new(key(item.get("pk")?, MAX_PK)?, key(item.get("sk")?, MAX_SK)?))
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&*self.pk, &*self.sk)
    }
}

/// An item's attributes without its key: for each a kind, its name and its value with their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::table) struct Packed(Bytes);

impl Packed {
    /// Packs an item of texts and plain numbers that the engine is certain to take as it is, and says whether an
    /// index may hold it. Others are left to the engine.
    pub(super) fn pack(item: &Item) -> Option<(Place, Self, bool)> {
        let (mut pk, mut sk, mut indexed) = (None, None, false);
        // As long as it gets, so that nothing is moved while it grows or when it is kept.
        let mut bytes = Vec::with_capacity(item.iter().map(|(name, value)| packed_size(name, value)).sum());
        for (name, value) in item.iter() {
            if name == "pk" {
                pk = Some(key(value, MAX_PK)?);
                continue;
            }
            if name == "sk" {
                sk = Some(key(value, MAX_SK)?);
                continue;
            }
            let is_key = is_index_key(name);
            indexed |= is_key;
            let (kind, text) = match value {
                Value::S(text) if !is_key || (1..=MAX_SK).contains(&text.len()) => (TEXT, text),
                Value::N(number) if !is_key && is_plain_number(number) => (NUMBER, number),
                _ => return None,
            };
            let length = u8::try_from(name.len()).ok().filter(|length| *length > 0)?;
            bytes.extend([kind, length]);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let place = Place::new(pk?, sk?);
        (bytes.len() <= MAX_BYTES).then(|| (place, Self(bytes.into()), indexed))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The item's attributes, with values made by `text` and `number`.
    pub(super) fn unpack<V>(
        &self,
        place: &Place,
        text: fn(String) -> V,
        number: fn(String) -> V,
    ) -> impl Iterator<Item = (String, V)> {
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let key = [("pk", &place.pk), ("sk", &place.sk)];
        let key = key.map(|(name, value)| (name.to_owned(), text(value.to_string())));
        let others = self.attributes().map(move |(kind, name, value)| {
            let value = string(value);
            (string(name), if kind == NUMBER { number(value) } else { text(value) })
        });
        key.into_iter().chain(others)
    }

    /// The item as the port has it.
    pub(super) fn item(&self, place: &Place) -> Item {
        Item::of_distinct(self.unpack(place, AttributeValue::S, AttributeValue::N))
    }

    /// The digits of a number.
    pub(super) fn number(&self, wanted: &str) -> Option<&str> {
        let mut attributes = self.attributes();
        let found = attributes.find(|(kind, name, _)| *kind == NUMBER && *name == wanted.as_bytes());
        found.and_then(|(_, _, value)| std::str::from_utf8(value).ok())
    }

    fn attributes(&self) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&[kind, length], after) = rest.split_first_chunk()?;
            let (name, after) = after.split_at_checked(usize::from(length))?;
            let (&length, after) = after.split_first_chunk()?;
            let (value, after) = after.split_at_checked(u32::from_le_bytes(length) as usize)?;
            rest = after;
            Some((kind, name, value))
        })
    }
}

/// An attribute of a key, if it is such as the engine takes.
fn key(value: Value<'_>, limit: usize) -> Option<&str> {
    match value {
        Value::S(text) if (1..=limit).contains(&text.len()) => Some(text),
        _ => None,
    }
}

/// What an attribute takes when it is packed, in bytes; nothing for the key.
fn packed_size(name: &str, value: Value<'_>) -> usize {
    match value {
        Value::S(text) | Value::N(text) if !matches!(name, "pk" | "sk") => 2 + name.len() + 4 + text.len(),
        _ => 0,
    }
}

/// Whether an attribute is part of an index's key.
pub(super) fn is_index_key(name: &str) -> bool {
    IndexName::ALL.into_iter().any(|index| {
        let (hash, range) = index.key_attributes();
        name == hash || name == range
    })
}

/// Whether a number is written as the engine would write it: an integer without sign and leading zeros.
pub(super) fn is_plain_number(text: &str) -> bool {
    (1..=MAX_DIGITS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}
