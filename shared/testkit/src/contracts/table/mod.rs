//! The contract of the Table port: what the stores rely on.

pub mod queries;
pub mod transactions;
pub mod writes;

use postrider_application::ports::Table;
use postrider_application::ports::table::{AttributeValue, Expression, Item, Key, Put, TableName, Value};

const TABLE: TableName = TableName::Ledger;

/// Runs every case.
pub async fn table_contract(table: &dyn Table) {
    writes::what_is_put_can_be_read(table).await;
    writes::a_failed_condition_answers_the_item_that_is_there(table).await;
    writes::of_concurrent_writers_of_one_item_one_wins(table).await;
    writes::of_concurrent_writers_of_one_version_one_wins(table).await;
    writes::an_item_above_400_kilobytes_is_invalid(table).await;
    writes::a_batch_finds_what_exists(table).await;
    transactions::a_transaction_is_all_or_nothing(table).await;
    transactions::a_transaction_has_room_for_a_hundred_writes(table).await;
    transactions::a_counter_counts_every_transaction(table).await;
    transactions::conditions_guard_deletes_and_updates(table).await;
    queries::a_query_pages_in_both_directions(table).await;
    queries::a_query_finds_ranges_of_keys(table).await;
    queries::a_filter_leaves_out_what_was_looked_at(table).await;
    queries::an_index_holds_the_keys_of_items_with_its_attributes(table).await;
}

fn item(pk: &str, sk: &str, value: u64) -> Item {
    let mut item = Key::new(pk, sk).into_item();
    item.insert("value".to_owned(), AttributeValue::N(value.to_string()));
    item
}

fn put(item: Item) -> Put {
    Put { table: TABLE, item, condition: None }
}

fn if_absent(item: Item) -> Put {
    Put { condition: Some(Expression::new("attribute_not_exists(pk)")), ..put(item) }
}

fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    match item.get(attribute) {
        Some(Value::S(text)) => text,
        other => panic!("{attribute} is {other:?}"),
    }
}

async fn exists(table: &dyn Table, pk: &str, sk: &str) -> bool {
    table.get(TABLE, Key::new(pk, sk), true).await.unwrap().is_some()
}
