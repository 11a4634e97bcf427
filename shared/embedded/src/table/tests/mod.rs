//! What the tables do, in memory and on a file.

mod crashes;
mod same_as_engine;

use futures::future::join_all;
use postrider_application::ports::table::{AttributeValue, Expression, Value};
use postrider_testkit::contracts::table::table_contract;

use super::*;

const TABLE: TableName = TableName::Ledger;

fn item(pk: &str, sk: &str, value: u64) -> Item {
    let mut item = Key::new(pk, sk).into_item();
    item.insert("value".to_owned(), AttributeValue::N(value.to_string()));
    item
}

fn if_absent(item: Item) -> Put {
    Put { table: TABLE, item, condition: Some(Expression::new("attribute_not_exists(pk)")) }
}

fn tables() -> (tempfile::TempDir, Vec<EmbeddedTable>) {
    let folder = tempfile::tempdir().unwrap();
    let file = EmbeddedTable::in_file(&folder.path().join("table.sqlite")).unwrap();
    (folder, vec![EmbeddedTable::in_memory().unwrap(), file])
}

#[tokio::test]
async fn the_contract_is_kept_in_memory_and_on_a_file() {
    let (_folder, tables) = tables();
    for table in tables {
        table_contract(&table).await;
    }
}

fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    match item.get(attribute) {
        Some(Value::S(text)) => text,
        other => panic!("{attribute} is {other:?}"),
    }
}

#[tokio::test]
async fn a_file_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let table = EmbeddedTable::in_file(&path).unwrap();
    join_all((0..50).map(|number| table.put(if_absent(item("a", &number.to_string(), number))))).await;
    drop(table);
    let table = EmbeddedTable::in_file(&path).unwrap();
    assert_eq!(table.query(Query::partition(TABLE, "a")).await.unwrap().items.len(), 50);
}

#[tokio::test]
async fn expired_items_are_removed() {
    let (_folder, tables) = tables();
    for table in tables {
        for (sk, expires_at) in [("old", 1_000), ("new", 99_999_999_999_u64)] {
            let mut item = item("a", sk, 1);
            item.insert("expires_at".to_owned(), AttributeValue::N(expires_at.to_string()));
            table.put(Put { table: TABLE, item, condition: None }).await.unwrap();
        }
        table.remove_expired(Timestamp::from_millis(1_800_000_000_000)).await.unwrap();
        let left = table.query(Query::partition(TABLE, "a")).await.unwrap().items;
        let left: Vec<_> = left.iter().map(|item| text(item, "sk")).collect();
        // DynamoDB leaves alone what expired more than five years ago, taking it for a mistake.
        assert!(left.contains(&"new"), "{left:?}");
    }
}
