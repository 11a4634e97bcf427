//! Between the port's values and errors and dynoxide's.

use std::collections::HashMap;

use dynoxide::{AttributeValue as Engine, DynoxideError};
use postrider_application::ports::table::{AttributeValue, Item, TableError, TableName};

pub(super) type EngineItem = HashMap<String, Engine>;

pub(super) fn item_to(item: Item) -> EngineItem {
    item.into_attributes().map(|(name, value)| (name.into_owned(), value_to(value))).collect()
}

pub(super) fn item_from(item: EngineItem) -> Item {
    Item::of_distinct(values_from(item))
}

fn values_from(map: EngineItem) -> impl Iterator<Item = (String, AttributeValue)> {
    map.into_iter().map(|(name, value)| (name, value_from(value)))
}

fn value_to(value: AttributeValue) -> Engine {
    match value {
        AttributeValue::S(text) => Engine::S(text),
        AttributeValue::N(number) => Engine::N(number),
        AttributeValue::B(bytes) => Engine::B(bytes),
        AttributeValue::Bool(value) => Engine::BOOL(value),
        AttributeValue::Null(value) => Engine::NULL(value),
        AttributeValue::M(map) => {
            Engine::M(map.into_iter().map(|(name, value)| (name, value_to(value))).collect())
        }
        AttributeValue::L(list) => Engine::L(list.into_iter().map(value_to).collect()),
        AttributeValue::Ss(set) => Engine::SS(set),
        AttributeValue::Ns(set) => Engine::NS(set),
        AttributeValue::Bs(set) => Engine::BS(set),
    }
}

fn value_from(value: Engine) -> AttributeValue {
    match value {
        Engine::S(text) => AttributeValue::S(text),
        Engine::N(number) => AttributeValue::N(number),
        Engine::B(bytes) => AttributeValue::B(bytes),
        Engine::BOOL(value) => AttributeValue::Bool(value),
        Engine::NULL(value) => AttributeValue::Null(value),
        Engine::M(map) => AttributeValue::M(values_from(map).collect()),
        Engine::L(list) => AttributeValue::L(list.into_iter().map(value_from).collect()),
        Engine::SS(set) => AttributeValue::Ss(set),
        Engine::NS(set) => AttributeValue::Ns(set),
        Engine::BS(set) => AttributeValue::Bs(set),
    }
}

/// The keys that `BatchGetItem` left, which it answers as JSON.
pub(super) fn unprocessed_keys(
    table: TableName,
    left: &serde_json::Value,
) -> Result<Vec<EngineItem>, TableError> {
    let keys = left.get("Keys").cloned().unwrap_or_default();
    serde_json::from_value(keys).map_err(|error| TableError::Invalid { table, source: error.into() })
}

pub(super) fn error(table: TableName, error: DynoxideError) -> TableError {
    match error {
        DynoxideError::ConditionalCheckFailedException(_, current) => {
            TableError::ConditionFailed { current: current.map(|item| Box::new(item_from(item))) }
        }
        DynoxideError::TransactionCanceledException(_, ref reasons) => {
            let has = |code: &str| reasons.iter().any(|reason| reason.code == code);
            if has("ConditionalCheckFailed") {
                TableError::ConditionFailed { current: None }
            } else if has("TransactionConflict") {
                TableError::Conflict
            } else {
                TableError::Invalid { table, source: error.into() }
            }
        }
        DynoxideError::InternalServerError(_)
        | DynoxideError::SqliteError(_)
        | DynoxideError::ProvisionedThroughputExceededException(_)
        | DynoxideError::LimitExceededException(_) => TableError::Unavailable { table, source: error.into() },
        other => TableError::Invalid { table, source: other.into() },
    }
}
