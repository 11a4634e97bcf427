//! Finds the fields that a filter looks at in the event's data: one scan of each object or list on the
//! way to them, for all the paths together. What is not on the way is skipped without recursion.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The JSON text of each path's field, in the order of the paths; `None` for a missing field.
pub(super) fn find<'d>(paths: &[String], data: &'d str) -> Vec<Option<&'d str>> {
    let mut found = vec![None; paths.len()];
    let wanted: Vec<_> = paths.iter().enumerate().map(|(slot, path)| Want::new(slot, path)).collect();
    let mut open = vec![(data.trim_start(), wanted)];
    while let Some((json, mut wanted)) = open.pop() {
        // Data is valid JSON by contract; should it not be, the scan's fields stay missing.
        if scan(json, &mut wanted).is_err() {
            continue;
        }
        for want in wanted {
            if want.whole.is_some() {
                found[want.slot] = want.whole;
            } else if let (Some(inner), Some((_, rest))) = (want.step, want.rest.split_once('.')) {
                let next = Want::new(want.slot, rest);
                // Two values are the same one when they start at the same place in the data.
                match open.iter_mut().find(|(json, _)| json.as_ptr() == inner.as_ptr()) {
                    Some((_, wanted)) => wanted.push(next),
                    None => open.push((inner, vec![next])),
                }
            }
        }
    }
    found
}

/// A path that is still to be followed, and what one scan found for it.
struct Want<'p, 'd> {
    slot: usize,
    rest: &'p str,
    first: &'p str,
    /// What the key at hand is to this path.
    key: Key,
    whole: Option<&'d str>,
    step: Option<&'d str>,
}

#[derive(Clone, Copy, PartialEq)]
enum Key {
    Other,
    /// All that remains of the path.
    Whole,
    /// The path's first segment.
    First,
}

impl<'p> Want<'p, '_> {
    fn new(slot: usize, rest: &'p str) -> Self {
        let first = rest.split('.').next().unwrap_or(rest);
        Self { slot, rest, first, key: Key::Other, whole: None, step: None }
    }

    /// The segment as the index of a list: decimal digits without leading zeros.
    fn index(&self) -> Option<usize> {
        let canonical = self.first == "0" || !self.first.starts_with(['0', '+']);
        if canonical { self.first.parse().ok() } else { None }
    }
}

fn scan<'d>(json: &'d str, wanted: &mut [Want<'_, 'd>]) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    match json.as_bytes().first() {
        Some(b'{') => reader.deserialize_map(ObjectVisitor { wanted }),
        Some(b'[') => reader.deserialize_seq(ListVisitor { wanted }),
        _ => Ok(()),
    }
}

struct ObjectVisitor<'w, 'p, 'd> {
    wanted: &'w mut [Want<'p, 'd>],
}

impl<'d> Visitor<'d> for ObjectVisitor<'_, '_, 'd> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(is_wanted) = members.next_key_seed(KeySeed { wanted: &mut *self.wanted })? {
            if !is_wanted {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = members.next_value::<&RawValue>()?.get();
            for want in &mut *self.wanted {
                match want.key {
                    Key::Whole => want.whole = Some(value),
                    Key::First => want.step = Some(value),
                    Key::Other => {}
                }
            }
        }
        Ok(())
    }
}

/// Marks the paths that a key belongs to, and tells whether there are any. Keys are read as bytes, the
/// one form in which `serde_json` accepts lone surrogates.
struct KeySeed<'w, 'p, 'd> {
    wanted: &'w mut [Want<'p, 'd>],
}

impl<'d> DeserializeSeed<'d> for KeySeed<'_, '_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_, '_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
        let mut is_wanted = false;
        for want in self.wanted {
            want.key = match key {
                _ if key == want.rest.as_bytes() => Key::Whole,
                _ if key == want.first.as_bytes() => Key::First,
                _ => Key::Other,
            };
            is_wanted |= want.key != Key::Other;
        }
        Ok(is_wanted)
    }
}

struct ListVisitor<'w, 'p, 'd> {
    wanted: &'w mut [Want<'p, 'd>],
}

impl<'d> Visitor<'d> for ListVisitor<'_, '_, 'd> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut wanted: Vec<_> =
            self.wanted.iter_mut().filter_map(|want| Some((want.index()?, want))).collect();
        for index in 0.. {
            if wanted.iter().all(|(wanted, _)| *wanted != index) {
                if elements.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            }
            let Some(element) = elements.next_element::<&RawValue>()? else { break };
            for (_, want) in wanted.iter_mut().filter(|(wanted, _)| *wanted == index) {
                let is_last = want.first.len() == want.rest.len();
                *(if is_last { &mut want.whole } else { &mut want.step }) = Some(element.get());
            }
        }
        Ok(())
    }
}
