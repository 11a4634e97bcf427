//! Key conditions of `Query`, in the forms that occur.

use serde_json::Value;

/// Which keys a query asks for.
pub(super) struct KeyCondition<'a> {
    /// The hash attribute.
    pub(super) hash: &'a str,
    /// Its value.
    pub(super) partition: &'a str,
    /// The attribute that items are sorted by.
    pub(super) range: &'a str,
    bound: Bound<'a>,
}

enum Bound<'a> {
    None,
    Prefix(&'a str),
    Between(&'a str, &'a str),
    Compared(&'a str, &'a str),
}

/// The text of an attribute.
pub(super) fn text<'a>(item: &'a Value, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.get("S")?.as_str()
}

impl<'a> KeyCondition<'a> {
    /// Reads the condition of a request, whose text has been cut into words.
    pub(super) fn read(request: &'a Value, words: &[&'a str]) -> Self {
        let name = |word: &'a str| request["ExpressionAttributeNames"][word].as_str().unwrap_or(word);
        let value = |word: &'a str| text(&request["ExpressionAttributeValues"], word).unwrap();
        let [hash, "=", partition, rest @ ..] = words else { panic!("no key condition: {words:?}") };
        let (range, bound) = match rest {
            [] => ("sk", Bound::None),
            ["AND", "begins_with", range, prefix] => (name(range), Bound::Prefix(value(prefix))),
            ["AND", range, "BETWEEN", low, "AND", high] => {
                (name(range), Bound::Between(value(low), value(high)))
            }
            ["AND", range, comparison, other] => (name(range), Bound::Compared(comparison, value(other))),
            _ => panic!("a key condition of another form: {words:?}"),
        };
        Self { hash: name(hash), partition: value(partition), range, bound }
    }

    /// Cuts the text of a request's condition into words.
    pub(super) fn words(request: &Value) -> Vec<&str> {
        let text = request["KeyConditionExpression"].as_str().unwrap();
        text.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect()
    }

    /// Whether an item's keys are among them.
    pub(super) fn holds(&self, item: &Value) -> bool {
        let Some(range) = text(item, self.range) else { return false };
        text(item, self.hash) == Some(self.partition)
            && match self.bound {
                Bound::None => true,
                Bound::Prefix(prefix) => range.starts_with(prefix),
                Bound::Between(low, high) => low <= range && range <= high,
                Bound::Compared("<", other) => range < other,
                Bound::Compared("<=", other) => range <= other,
                Bound::Compared(">", other) => range > other,
                Bound::Compared(">=", other) => range >= other,
                Bound::Compared(comparison, _) => panic!("the stub does not know {comparison}"),
            }
    }
}
