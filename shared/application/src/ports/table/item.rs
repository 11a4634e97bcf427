//! Items: attributes by name, in a list.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Index;

use serde_dynamo::AttributeValue;

/// An attribute's name: nearly always one that the program itself has.
pub type AttributeName = Cow<'static, str>;

/// An item, or the values of an expression: each name once, in no particular order.
///
/// A list, because that is what an item is made from, walked through and compared as: a webhook that arrives
/// makes three, of two dozen attributes at most, in which hardly anything is looked up.
#[derive(Debug, Clone, Default)]
pub struct Item(Vec<(AttributeName, AttributeValue)>);

impl Item {
    /// An item without attributes, with room for so many.
    pub fn with_capacity(attributes: usize) -> Self {
        Self(Vec::with_capacity(attributes))
    }

    /// An item of attributes of which no two have the same name.
    pub fn of_distinct<N: Into<AttributeName>>(
        attributes: impl IntoIterator<Item = (N, AttributeValue)>,
    ) -> Self {
        Self(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.iter().find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Whether it has an attribute.
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Sets an attribute.
    pub fn insert(&mut self, name: impl Into<AttributeName>, value: AttributeValue) {
        let name = name.into();
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some((_, there)) => *there = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds an attribute of which the caller knows that it is not there.
    pub(crate) fn push(&mut self, name: impl Into<AttributeName>, value: AttributeValue) {
        self.0.push((name.into(), value));
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let place = self.names().position(|own| own == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// How many attributes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Index<&str> for Item {
    type Output = AttributeValue;

    /// # Panics
    /// When there is no such attribute.
    fn index(&self, name: &str) -> &AttributeValue {
        self.get(name).unwrap_or_else(|| panic!("the item has no attribute {name}"))
    }
}

impl IntoIterator for Item {
    type Item = (AttributeName, AttributeValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
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

impl From<HashMap<String, AttributeValue>> for Item {
    fn from(attributes: HashMap<String, AttributeValue>) -> Self {
        Self::of_distinct(attributes)
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
        assert_eq!((item.len(), &item["a"]), (2, &number(3)));
        item.insert("b".to_owned(), number(4));
        item.extend([("c", number(5))]);
        assert_eq!(item, Item::from([("c", number(5)), ("b", number(4)), ("a", number(3))]));
        assert_eq!((item.remove("a"), item.remove("a")), (Some(number(3)), None));
        assert!(item.contains("c") && !item.contains("a"));
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
    }
}
