//! The port's operations as the SDK's requests. The SDK turns what is missing into an error when it sends.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    Delete as SdkDelete, KeysAndAttributes, Put as SdkPut, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update as SdkUpdate,
};
use postrider_application::ports::table::{
    Delete, Expression, IndexName, Item, Key, Put, Query, TableName, Update, Write,
};

use super::TableNames;
use super::convert::{SdkItem, item_to};

type Names = HashMap<String, String>;

/// An expression in the SDK's parts; DynamoDB refuses empty maps.
fn parts(expression: Expression) -> (String, Option<Names>, Option<SdkItem>) {
    let Expression { text, names, values } = expression;
    (text.into_owned(), filled(names), values_to(values))
}

fn filled(names: Names) -> Option<Names> {
    (!names.is_empty()).then_some(names)
}

fn values_to(values: Item) -> Option<SdkItem> {
    (!values.is_empty()).then(|| item_to(values))
}

/// The parts of a condition, where there is one.
fn condition_parts(condition: Option<Expression>) -> (Option<String>, Option<Names>, Option<SdkItem>) {
    match condition.map(parts) {
        Some((text, names, values)) => (Some(text), names, values),
        None => (None, None, None),
    }
}

pub(super) fn put(request: PutItemFluentBuilder, table: &str, put: Put) -> PutItemFluentBuilder {
    let with_current = put.condition.is_some().then_some(ReturnValuesOnConditionCheckFailure::AllOld);
    let (condition, names, values) = condition_parts(put.condition);
    request
        .table_name(table)
        .set_item(Some(item_to(put.item)))
        .set_condition_expression(condition)
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values)
        .set_return_values_on_condition_check_failure(with_current)
}

pub(super) fn query(request: QueryFluentBuilder, table: &str, query: Query) -> QueryFluentBuilder {
    let mut keys = query.keys;
    let filter = query.filter.map(|filter| {
        keys.names.extend(filter.names);
        keys.values.extend(filter.values.into_attributes());
        filter.text
    });
    let (text, names, values) = parts(keys);
    request
        .table_name(table)
        .set_index_name(query.index.map(|index: IndexName| index.as_str().to_owned()))
        .key_condition_expression(text)
        .set_filter_expression(filter.map(Cow::into_owned))
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values)
        .scan_index_forward(query.ascending)
        .set_limit(query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
        .set_exclusive_start_key(query.start.map(item_to))
        // An index has no consistent reads.
        .consistent_read(query.consistent && query.index.is_none())
}

pub(super) fn keys(keys: Vec<SdkItem>) -> Result<KeysAndAttributes, BuildError> {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()
}

/// The table of a write.
pub(super) const fn table_of(write: &Write) -> TableName {
    match write {
        Write::Put(put) => put.table,
        Write::Update(update) => update.table,
        Write::Delete(delete) => delete.table,
    }
}

/// One action of a transaction.
pub(super) fn action(names: &TableNames, write: Write) -> Result<TransactWriteItem, BuildError> {
    let action = TransactWriteItem::builder();
    Ok(match write {
        Write::Put(Put { table, item, condition }) => {
            let (condition, placeholders, values) = condition_parts(condition);
            let put = SdkPut::builder()
                .table_name(names.of(table))
                .set_item(Some(item_to(item)))
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders)
                .set_expression_attribute_values(values);
            action.put(put.build()?)
        }
        Write::Delete(Delete { table, key, condition }) => {
            let (condition, placeholders, values) = condition_parts(condition);
            let delete = SdkDelete::builder()
                .table_name(names.of(table))
                .set_key(Some(key_to(key)))
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders)
                .set_expression_attribute_values(values);
            action.delete(delete.build()?)
        }
        Write::Update(Update { table, key, update, condition }) => {
            let (text, placeholders, values) = parts(update);
            let update = SdkUpdate::builder()
                .table_name(names.of(table))
                .set_key(Some(key_to(key)))
                .update_expression(text)
                .set_condition_expression(condition.map(Cow::into_owned))
                .set_expression_attribute_names(placeholders)
                .set_expression_attribute_values(values);
            action.update(update.build()?)
        }
    }
    .build())
}

pub(super) fn key_to(key: Key) -> SdkItem {
    item_to(key.into_item())
}
