//! Items: attributes by name, in a list.

use std::borrow::Cow;
use std::ops::Range;

use serde_dynamo::AttributeValue;

/// An attribute's name: nearly always one that the program itself has.
pub type AttributeName = Cow<'static, str>;

/// How long a text may be that is copied to the item's others rather than kept as it is, in bytes.
const COPIED: usize = 64;

/// An item, or the values of an expression: each name once, in no particular order.
///
/// A list, because that is what an item is made from, walked through and compared as: a webhook that arrives
/// makes three, of two dozen attributes at most, in which hardly anything is looked up. Nearly all of these are
/// numbers and short texts, which are kept one after the other, so that they take no memory of their own each.
#[derive(Debug, Clone, Default)]
pub struct Item {
    attributes: Vec<(AttributeName, Stored)>,
    text: String,
}

/// The value of an attribute in an item.
#[derive(Debug, Clone)]
enum Stored {
    /// In the item's text.
    Written(Kind, Range<u32>),
    /// By itself.
    Own(Box<AttributeValue>),
}

/// What a part of an item's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// The digits of a number.
    Number,
}

/// The value of an attribute, to be looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A text.
    S(&'a str),
    /// A number, in digits.
    N(&'a str),
    /// Anything else.
    Other(&'a AttributeValue),
}

impl<'a> From<&'a AttributeValue> for Value<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::S(text) => Self::S(text),
            AttributeValue::N(number) => Self::N(number),
            other => Self::Other(other),
        }
    }
}

impl Item {
    /// An item without attributes, with room for so many.
    pub fn with_capacity(attributes: usize) -> Self {
        Self { attributes: Vec::with_capacity(attributes), text: String::with_capacity(16 * attributes) }
    }

    /// An item of attributes of which no two have the same name.
    pub fn of_distinct<N: Into<AttributeName>>(
        attributes: impl IntoIterator<Item = (N, AttributeValue)>,
    ) -> Self {
        let attributes = attributes.into_iter();
        let mut item = Self::with_capacity(attributes.size_hint().0);
        attributes.for_each(|(name, value)| item.push(name, value));
        item
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        let (_, stored) = self.attributes.iter().find(|(own, _)| own == name)?;
        Some(self.value(stored))
    }

    /// Whether it has an attribute.
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Sets an attribute.
    pub fn insert(&mut self, name: impl Into<AttributeName>, value: AttributeValue) {
        let name = name.into();
        self.attributes.retain(|(own, _)| *own != name);
        self.push(name, value);
    }

    /// Adds an attribute of which the caller knows that it is not there.
    pub(crate) fn push(&mut self, name: impl Into<AttributeName>, value: AttributeValue) {
        let stored = match Value::from(&value) {
            Value::S(text) if text.len() <= COPIED => self.written(Kind::Text, text),
            Value::N(number) if number.len() <= COPIED => self.written(Kind::Number, number),
            _ => Stored::Own(Box::new(value)),
        };
        self.attributes.push((name.into(), stored));
    }

    /// The same of a text or number that is written here, unless that fails.
    pub(crate) fn push_written<E>(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut String) -> Result<Kind, E>,
    ) -> Result<(), E> {
        let begin = self.text.len();
        let kind = write(&mut self.text)?;
        self.attributes.push((name.into(), Stored::Written(kind, range(begin, self.text.len()))));
        Ok(())
    }

    fn written(&mut self, kind: Kind, text: &str) -> Stored {
        let begin = self.text.len();
        self.text.push_str(text);
        Stored::Written(kind, range(begin, self.text.len()))
    }

    fn value<'a>(&'a self, stored: &'a Stored) -> Value<'a> {
        match stored {
            Stored::Own(value) => (&**value).into(),
            Stored::Written(kind, range) => {
                let text = &self.text[range.start as usize..range.end as usize];
                match kind {
                    Kind::Text => Value::S(text),
                    Kind::Number => Value::N(text),
                }
            }
        }
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let place = self.names().position(|own| own == name)?;
        let (_, stored) = self.attributes.swap_remove(place);
        Some(owned(&self.text, stored))
    }

    /// How many attributes it has.
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The attributes' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| &**name)
    }

    /// The attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.attributes.iter().map(|(name, stored)| (&**name, self.value(stored)))
    }

    /// The attributes, each with a value of its own.
    pub fn into_attributes(self) -> impl Iterator<Item = (AttributeName, AttributeValue)> {
        let Self { attributes, text } = self;
        attributes.into_iter().map(move |(name, stored)| (name, owned(&text, stored)))
    }
}

/// A part of an item's text. DynamoDB takes 400 KB.
fn range(begin: usize, end: usize) -> Range<u32> {
    begin as u32..end as u32
}

fn owned(text: &str, stored: Stored) -> AttributeValue {
    match stored {
        Stored::Own(value) => *value,
        Stored::Written(kind, range) => {
            let text = text[range.start as usize..range.end as usize].to_owned();
            match kind {
                Kind::Text => AttributeValue::S(text),
                Kind::Number => AttributeValue::N(text),
            }
        }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl<N: Into<AttributeName>> Extend<(N, AttributeValue)> for Item {
    fn extend<I: IntoIterator<Item = (N, AttributeValue)>>(&mut self, attributes: I) {
        attributes.into_iter().for_each(|(name, value)| self.insert(name, value));
    }
}

impl<N: Into<AttributeName>> FromIterator<(N, AttributeValue)> for Item {
    fn from_iter<I: IntoIterator<Item = (N, AttributeValue)>>(attributes: I) -> Self {
        let mut item = Self::default();
        item.extend(attributes);
        item
    }
}

impl<N: Into<AttributeName>, const COUNT: usize> From<[(N, AttributeValue); COUNT]> for Item {
    fn from(attributes: [(N, AttributeValue); COUNT]) -> Self {
        Self::from_iter(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> AttributeValue {
        AttributeValue::N(number.to_string())
    }

    #[test]
    fn a_name_is_there_once() {
        let mut item = Item::from([("a", number(1)), ("b", number(2)), ("a", number(3))]);
        assert_eq!((item.len(), item.get("a")), (2, Some(Value::N("3"))));
        item.insert("b".to_owned(), number(4));
        item.extend([("c", number(5))]);
        assert_eq!(item, Item::from([("c", number(5)), ("b", number(4)), ("a", number(3))]));
        assert_eq!((item.remove("a"), item.remove("a")), (Some(number(3)), None));
        assert!(item.contains("c") && !item.contains("a"));
    }

    #[test]
    fn values_are_taken_out_as_they_were_put_in() {
        let texts = ["", "short", &"x".repeat(COPIED), &"y".repeat(COPIED + 1), "é"].map(str::to_owned);
        let mut values: Vec<AttributeValue> = texts.map(AttributeValue::S).into();
        values.extend([number(7), AttributeValue::N("1".repeat(70)), AttributeValue::Bool(true)]);
        values.push(AttributeValue::L(vec![number(1), AttributeValue::S("in it".to_owned())]));
        let names = || (0..values.len()).map(|place| place.to_string());
        let mut item = Item::of_distinct(names().zip(values.clone()));
        assert!(
            item.push_written("begun", |text| {
                text.push_str("begun");
                Err(())
            })
            .is_err()
        );
        item.push_written("written", |text| {
            text.push_str("12");
            Ok::<_, ()>(Kind::Number)
        })
        .unwrap();
        assert_eq!(item.remove("written"), Some(number(12)));
        for (name, value) in names().zip(&values) {
            assert_eq!(item.get(&name), Some(value.into()));
            assert_eq!(item.clone().remove(&name).as_ref(), Some(value));
        }
        assert_eq!(item.into_attributes().map(|(_, value)| value).collect::<Vec<_>>(), values);
    }

    #[test]
    fn items_with_other_attributes_differ() {
        let item = Item::from([("a", number(1)), ("b", number(2))]);
        let others = [
            vec![("a", 1)],
            vec![("a", 1), ("b", 3)],
            vec![("a", 1), ("c", 2)],
            vec![("a", 1), ("b", 2), ("c", 3)],
        ];
        for other in others {
            let other: Item = other.into_iter().map(|(name, value)| (name, number(value))).collect();
            assert_ne!(item, other);
            assert_ne!(other, item);
        }
        assert_ne!(item, Item::from([("a", number(1)), ("b", AttributeValue::S("2".to_owned()))]));
    }
}
