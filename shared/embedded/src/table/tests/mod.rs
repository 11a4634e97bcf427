//! What the tables do, in memory and on a file.

mod crashes;
mod same_as_engine;

use futures::future::join_all;
use postrider_application::ports::table::{AttributeValue, Expression, IndexName};

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
async fn a_failed_condition_answers_the_item_that_is_there() {
    let (_folder, tables) = tables();
    for table in tables {
        table.put(if_absent(item("a", "1", 7))).await.unwrap();
        let error = table.put(if_absent(item("a", "1", 8))).await.unwrap_err();
        let TableError::ConditionFailed { current: Some(current) } = error else { panic!("{error}") };
        assert_eq!(*current, item("a", "1", 7));
        assert_eq!(table.get(TABLE, Key::new("a", "1"), true).await.unwrap(), Some(item("a", "1", 7)));
        assert_eq!(table.get(TABLE, Key::new("a", "2"), true).await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_concurrent_writers_of_one_item_one_wins() {
    let (_folder, tables) = tables();
    for table in tables {
        // Other items in between, so that the conflicting writes are gathered with some that succeed.
        let writes = (0..300).map(|number| {
            let sk = if number % 3 == 0 { "same".to_owned() } else { format!("{number:03}") };
            table.put(if_absent(item("a", &sk, number)))
        });
        let results = join_all(writes).await;
        let (mut won, mut lost) = (0, 0);
        for result in results {
            match result {
                Ok(()) => won += 1,
                Err(TableError::ConditionFailed { current }) => {
                    assert!(current.is_some());
                    lost += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((won, lost), (201, 99));
        let page = table.query(Query::partition(TABLE, "a")).await.unwrap();
        assert_eq!(page.items.len(), 201);
    }
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let (_folder, tables) = tables();
    for table in tables {
        table.put(if_absent(item("a", "1", 1))).await.unwrap();
        let writes = |second: &str| {
            vec![Write::Put(if_absent(item("b", second, 1))), Write::Put(if_absent(item("a", second, 1)))]
        };
        let error = table.transact(writes("1")).await.unwrap_err();
        assert!(matches!(error, TableError::ConditionFailed { .. }), "{error}");
        assert_eq!(table.get(TABLE, Key::new("b", "1"), true).await.unwrap(), None);
        table.transact(writes("2")).await.unwrap();
        assert!(table.get(TABLE, Key::new("b", "2"), true).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn queries_page_in_both_directions_and_batches_find_what_exists() {
    let (_folder, tables) = tables();
    for table in tables {
        for number in 0..250 {
            table.put(if_absent(item("p", &format!("{number:03}"), number))).await.unwrap();
        }
        for ascending in [true, false] {
            let mut query = Query { limit: Some(60), ascending, ..Query::partition(TABLE, "p") };
            let mut keys = Vec::new();
            loop {
                let page = table.query(query.clone()).await.unwrap();
                keys.extend(page.items.iter().map(|item| item["sk"].clone()));
                match page.next {
                    Some(next) => query.start = Some(next),
                    None => break,
                }
            }
            assert_eq!(keys.len(), 250);
            assert!(keys.windows(2).all(|pair| (text(&pair[0]) < text(&pair[1])) == ascending));
        }
        let keys = (0..300).map(|number| Key::new("p", format!("{number:03}"))).collect();
        assert_eq!(table.batch_get(TABLE, keys).await.unwrap().len(), 250);
    }
}

fn text(value: &AttributeValue) -> &str {
    match value {
        AttributeValue::S(text) => text,
        _ => panic!(),
    }
}

#[tokio::test]
async fn an_index_holds_only_items_with_its_attributes() {
    let (_folder, tables) = tables();
    for table in tables {
        for (sk, open) in [("1", true), ("2", false), ("3", true)] {
            let mut item = item("d", sk, 1);
            if open {
                item.insert("open".to_owned(), AttributeValue::S("T#a".to_owned()));
                item.insert("open_at".to_owned(), AttributeValue::S(format!("x{sk}")));
            }
            table.put(Put { table: TABLE, item, condition: None }).await.unwrap();
        }
        let keys = Expression::new("#open = :pk").name("#open", "open").text_value(":pk", "T#a");
        let query = Query { index: Some(IndexName::Open), keys, ..Query::partition(TABLE, "") };
        let found = table.query(query).await.unwrap().items;
        let found: Vec<_> = found.iter().map(|item| text(&item["sk"])).collect();
        assert_eq!(found, ["1", "3"]);
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
        let left: Vec<_> = left.iter().map(|item| text(&item["sk"])).collect();
        // DynamoDB leaves alone what expired more than five years ago, taking it for a mistake.
        assert!(left.contains(&"new"), "{left:?}");
    }
}
