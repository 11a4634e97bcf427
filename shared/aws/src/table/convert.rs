//! Between the port's values and the SDK's.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Sdk;
use postrider_application::ports::table::{AttributeValue, Item, TableError, TableName};

pub(super) type SdkItem = HashMap<String, Sdk>;

/// DynamoDB answered with a kind of value that this version of the SDK does not know.
#[derive(Debug, thiserror::Error)]
#[error("the attribute {0} has a value of an unknown kind")]
struct UnknownKind(String);

pub(super) fn item_to(item: Item) -> SdkItem {
    item.into_attributes().map(|(name, value)| (name.into_owned(), value_to(value))).collect()
}

pub(super) fn item_from(table: TableName, item: SdkItem) -> Result<Item, TableError> {
    let attributes = item.into_iter().map(|(name, value)| match value_from(value) {
        Some(value) => Ok((name, value)),
        None => Err(TableError::Invalid { table, source: UnknownKind(name).into() }),
    });
    Ok(Item::of_distinct(attributes.collect::<Result<Vec<_>, _>>()?))
}

fn value_to(value: AttributeValue) -> Sdk {
    match value {
        AttributeValue::S(text) => Sdk::S(text),
        AttributeValue::N(number) => Sdk::N(number),
        AttributeValue::B(bytes) => Sdk::B(Blob::new(bytes)),
        AttributeValue::Bool(value) => Sdk::Bool(value),
        AttributeValue::Null(value) => Sdk::Null(value),
        AttributeValue::M(map) => {
            Sdk::M(map.into_iter().map(|(name, value)| (name, value_to(value))).collect())
        }
        AttributeValue::L(list) => Sdk::L(list.into_iter().map(value_to).collect()),
        AttributeValue::Ss(set) => Sdk::Ss(set),
        AttributeValue::Ns(set) => Sdk::Ns(set),
        AttributeValue::Bs(set) => Sdk::Bs(set.into_iter().map(Blob::new).collect()),
    }
}

fn value_from(value: Sdk) -> Option<AttributeValue> {
    Some(match value {
        Sdk::S(text) => AttributeValue::S(text),
        Sdk::N(number) => AttributeValue::N(number),
        Sdk::B(bytes) => AttributeValue::B(bytes.into_inner()),
        Sdk::Bool(value) => AttributeValue::Bool(value),
        Sdk::Null(value) => AttributeValue::Null(value),
        Sdk::M(map) => {
            let values = map.into_iter().map(|(name, value)| Some((name, value_from(value)?)));
            AttributeValue::M(values.collect::<Option<_>>()?)
        }
        Sdk::L(list) => AttributeValue::L(list.into_iter().map(value_from).collect::<Option<_>>()?),
        Sdk::Ss(set) => AttributeValue::Ss(set),
        Sdk::Ns(set) => AttributeValue::Ns(set),
        Sdk::Bs(set) => AttributeValue::Bs(set.into_iter().map(Blob::into_inner).collect()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back_as_it_went() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = Item::from([
            ("s".to_owned(), text("x")),
            ("n".to_owned(), AttributeValue::N("1".to_owned())),
            ("b".to_owned(), AttributeValue::B(vec![1, 2])),
            ("bool".to_owned(), AttributeValue::Bool(true)),
            ("null".to_owned(), AttributeValue::Null(true)),
            ("m".to_owned(), AttributeValue::M([("inner".to_owned(), text("y"))].into())),
            ("l".to_owned(), AttributeValue::L(vec![text("z"), AttributeValue::Bool(false)])),
            ("ss".to_owned(), AttributeValue::Ss(vec!["a".to_owned()])),
            ("ns".to_owned(), AttributeValue::Ns(vec!["2".to_owned()])),
            ("bs".to_owned(), AttributeValue::Bs(vec![vec![3]])),
        ]);
        assert_eq!(item_from(TableName::Ledger, item_to(item.clone())).unwrap(), item);
    }
}
