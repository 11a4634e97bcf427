//! Single items: put, conditions, reads by key.

use std::collections::HashMap;

use futures::future::join_all;
use postrider_application::ports::table::{
    AttributeValue, Expression, Item, Key, Put, Table, TableError, TableName,
};

use super::{TABLE, if_absent, item, put, text};
use crate::unique::unique;

/// Every kind of value, in the table it was put into, replaced as a whole.
pub async fn what_is_put_can_be_read(table: &dyn Table) {
    let pk = unique("values");
    let name = |text: &str| AttributeValue::S(text.to_owned());
    let mut all = item(&pk, "1", 7);
    all.extend([
        ("text".to_owned(), name("ü \u{10FFFF} \"\\u0000\" \n")),
        ("bytes".to_owned(), AttributeValue::B(vec![0, 255])),
        ("truth".to_owned(), AttributeValue::Bool(false)),
        ("nothing".to_owned(), AttributeValue::Null(true)),
        ("list".to_owned(), AttributeValue::L(vec![name("a"), AttributeValue::N("1".to_owned())])),
        ("map".to_owned(), AttributeValue::M(HashMap::from([("x".to_owned(), name("y"))]))),
        ("set".to_owned(), AttributeValue::Ss(vec!["only".to_owned()])),
    ]);
    let key = || Key::new(pk.clone(), "1");
    assert_eq!(table.get(TABLE, key(), true).await.unwrap(), None);
    table.put(put(all.clone())).await.unwrap();
    assert_eq!(table.get(TABLE, key(), true).await.unwrap().as_ref(), Some(&all));
    assert_eq!(table.get(TableName::Config, key(), true).await.unwrap(), None);
    table.put(put(item(&pk, "1", 8))).await.unwrap();
    assert_eq!(table.get(TABLE, key(), true).await.unwrap(), Some(item(&pk, "1", 8)));
}

/// Callers learn what is there without a read.
pub async fn a_failed_condition_answers_the_item_that_is_there(table: &dyn Table) {
    let pk = unique("condition");
    table.put(if_absent(item(&pk, "1", 7))).await.unwrap();
    let error = table.put(if_absent(item(&pk, "1", 8))).await.unwrap_err();
    assert_eq!(current(error), Some(item(&pk, "1", 7)));
    // The very same item, too: it was there before.
    let error = table.put(if_absent(item(&pk, "1", 7))).await.unwrap_err();
    assert_eq!(current(error), Some(item(&pk, "1", 7)));
    let error = table.put(if_value(item(&pk, "1", 9), 8)).await.unwrap_err();
    assert_eq!(current(error), Some(item(&pk, "1", 7)));
    table.put(if_value(item(&pk, "1", 9), 7)).await.unwrap();
    assert_eq!(table.get(TABLE, Key::new(pk.clone(), "1"), true).await.unwrap(), Some(item(&pk, "1", 9)));
    let error = table.put(if_value(item(&pk, "2", 1), 0)).await.unwrap_err();
    assert_eq!(current(error), None);
}

/// A put on the condition that the item has this value. `value` is one of DynamoDB's reserved words.
fn if_value(item: Item, value: u64) -> Put {
    let condition = Expression::new("#v = :value").name("#v", "value").number_value(":value", value);
    Put { condition: Some(condition), ..put(item) }
}

fn current(error: TableError) -> Option<Item> {
    match error {
        TableError::ConditionFailed { current } => current.map(|item| *item),
        error => panic!("{error:?}"),
    }
}

/// Which is what makes an event one event.
pub async fn of_concurrent_writers_of_one_item_one_wins(table: &dyn Table) {
    let pk = unique("race");
    // Other items in between, so that an implementation that gathers writes gathers some that succeed.
    let writes = (0..60).map(|number| {
        let sk = if number % 3 == 0 { "same".to_owned() } else { format!("{number:02}") };
        table.put(if_absent(item(&pk, &sk, number)))
    });
    let results = join_all(writes).await;
    let winner = table.get(TABLE, Key::new(pk.clone(), "same"), true).await.unwrap();
    let (mut won, mut lost) = (0, 0);
    for result in results {
        match result {
            Ok(()) => won += 1,
            Err(error) => {
                assert_eq!(current(error), winner);
                lost += 1;
            }
        }
    }
    assert_eq!((won, lost), (41, 19));
}

/// Which is what makes an attempt one attempt.
pub async fn of_concurrent_writers_of_one_version_one_wins(table: &dyn Table) {
    let pk = unique("versions");
    table.put(put(item(&pk, "1", 1))).await.unwrap();
    for version in 1..4 {
        let writes = (0..8).map(|_| table.put(if_value(item(&pk, "1", version + 1), version)));
        let won = join_all(writes).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1, "of version {version}");
    }
}

/// `DynamoDB`'s limit of an item, names included.
pub async fn an_item_above_400_kilobytes_is_invalid(table: &dyn Table) {
    let pk = unique("size");
    let sized = |bytes: usize| {
        let mut item = item(&pk, "1", 1);
        item.insert("content".to_owned(), AttributeValue::S("x".repeat(bytes)));
        put(item)
    };
    let error = table.put(sized(400 * 1024)).await.unwrap_err();
    assert!(matches!(error, TableError::Invalid { .. }), "{error:?}");
    table.put(sized(400 * 1024 - 200)).await.unwrap();
}

/// More keys than one request takes, some of which are not there; and none.
pub async fn a_batch_finds_what_exists(table: &dyn Table) {
    let pk = unique("batch");
    let sk = |number: u64| format!("{number:03}");
    join_all((0..250).map(|number| table.put(put(item(&pk, &sk(number), number)))))
        .await
        .into_iter()
        .for_each(|result| result.unwrap());
    let keys = (0..300).map(|number| Key::new(pk.clone(), sk(number))).collect();
    let mut found = table.batch_get(TABLE, keys).await.unwrap();
    found.sort_by_key(|item| text(item, "sk").to_owned());
    let expected: Vec<Item> = (0..250).map(|number| item(&pk, &sk(number), number)).collect();
    assert!(found == expected, "{} items", found.len());
    assert!(table.batch_get(TABLE, Vec::new()).await.unwrap().is_empty());
}
