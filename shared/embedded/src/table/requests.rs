//! The port's operations as dynoxide's requests.

use std::borrow::Cow;
use std::collections::HashMap;

use dynoxide::actions::batch_get_item::{BatchGetItemRequest, KeysAndAttributes};
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::query::QueryRequest;
use dynoxide::actions::transact_write_items::{
    TransactDelete, TransactPut, TransactUpdate, TransactWriteItem, TransactWriteItemsRequest,
};
use postrider_application::ports::table::{
    Delete, Expression, IndexName, Item, Key, Put, Query, TableName, Update, Write,
};

use super::convert::{EngineItem, item_to};

/// The engine's name of a table.
pub(super) fn table_name(table: TableName) -> String {
    format!("postrider-{table}")
}

fn names(names: HashMap<String, String>) -> Option<HashMap<String, String>> {
    (!names.is_empty()).then_some(names)
}

fn values(values: Item) -> Option<EngineItem> {
    (!values.is_empty()).then(|| item_to(values))
}

pub(super) fn get(table: TableName, key: Key, consistent: bool) -> GetItemRequest {
    GetItemRequest {
        table_name: table_name(table),
        key: item_to(key.into_item()),
        consistent_read: Some(consistent),
        ..GetItemRequest::default()
    }
}

pub(super) fn batch_get(table: TableName, keys: Vec<EngineItem>) -> BatchGetItemRequest {
    let keys = KeysAndAttributes { keys, consistent_read: Some(true), ..KeysAndAttributes::default() };
    BatchGetItemRequest {
        request_items: HashMap::from([(table_name(table), keys)]),
        ..BatchGetItemRequest::default()
    }
}

pub(super) fn put(put: Put) -> PutItemRequest {
    let condition = put.condition;
    PutItemRequest {
        table_name: table_name(put.table),
        item: item_to(put.item),
        return_values_on_condition_check_failure: condition.as_ref().map(|_| "ALL_OLD".to_owned()),
        condition_expression: condition.as_ref().map(|condition| condition.text.to_string()),
        expression_attribute_names: condition.as_ref().and_then(|condition| names(condition.names.clone())),
        expression_attribute_values: condition.and_then(|condition| values(condition.values)),
        ..PutItemRequest::default()
    }
}

pub(super) fn query(query: Query) -> QueryRequest {
    let mut all_names = query.keys.names;
    let mut all_values = query.keys.values;
    let filter = query.filter.map(|filter| {
        all_names.extend(filter.names);
        all_values.extend(filter.values.into_attributes());
        filter.text
    });
    QueryRequest {
        table_name: table_name(query.table),
        index_name: query.index.map(|index: IndexName| index.as_str().to_owned()),
        key_condition_expression: Some(query.keys.text.into_owned()),
        filter_expression: filter.map(Cow::into_owned),
        expression_attribute_names: names(all_names),
        expression_attribute_values: values(all_values),
        scan_index_forward: query.ascending,
        limit: query.limit.map(|limit| limit as usize),
        exclusive_start_key: query.start.map(item_to),
        // An index has no consistent reads.
        consistent_read: Some(query.consistent && query.index.is_none()),
        ..QueryRequest::default()
    }
}

/// The table that a write is for.
pub(super) fn table_of(write: &Write) -> TableName {
    match write {
        Write::Put(put) => put.table,
        Write::Update(update) => update.table,
        Write::Delete(delete) => delete.table,
    }
}

pub(super) fn transaction(writes: Vec<Write>) -> TransactWriteItemsRequest {
    let actions = writes.into_iter().map(action).collect();
    TransactWriteItemsRequest { transact_items: actions, ..TransactWriteItemsRequest::default() }
}

fn action(write: Write) -> TransactWriteItem {
    match write {
        Write::Put(Put { table, item, condition }) => TransactWriteItem {
            put: Some(TransactPut {
                table_name: table_name(table),
                item: item_to(item),
                condition_expression: condition.as_ref().map(|condition| condition.text.to_string()),
                expression_attribute_names: condition.as_ref().and_then(|c| names(c.names.clone())),
                expression_attribute_values: condition.and_then(|condition| values(condition.values)),
                ..TransactPut::default()
            }),
            ..TransactWriteItem::default()
        },
        Write::Delete(Delete { table, key, condition }) => TransactWriteItem {
            delete: Some(TransactDelete {
                table_name: table_name(table),
                key: item_to(key.into_item()),
                condition_expression: condition.as_ref().map(|condition| condition.text.to_string()),
                expression_attribute_names: condition.as_ref().and_then(|c| names(c.names.clone())),
                expression_attribute_values: condition.and_then(|condition| values(condition.values)),
                ..TransactDelete::default()
            }),
            ..TransactWriteItem::default()
        },
        Write::Update(Update { table, key, update, condition }) => {
            let Expression { text, names: update_names, values: update_values } = update;
            TransactWriteItem {
                update: Some(TransactUpdate {
                    table_name: table_name(table),
                    key: item_to(key.into_item()),
                    update_expression: text.into_owned(),
                    condition_expression: condition.map(Cow::into_owned),
                    expression_attribute_names: names(update_names),
                    expression_attribute_values: values(update_values),
                    ..TransactUpdate::default()
                }),
                ..TransactWriteItem::default()
            }
        }
    }
}
