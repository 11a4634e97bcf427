//! Several items at once: all or none.

use postrider_application::ports::table::{
    Delete, Expression, Key, Put, Table, TableError, TableName, Update, Value, Write,
};

use super::{TABLE, exists, if_absent, item, put};
use crate::unique::unique;

/// One condition that fails keeps all of it from happening, in both tables.
pub async fn a_transaction_is_all_or_nothing(table: &dyn Table) {
    let pk = unique("transaction");
    table.put(put(item(&pk, "1", 1))).await.unwrap();
    let writes = |sk: &str| {
        let other = unique("unused");
        let config = Put { table: TableName::Config, ..put(item(&pk, sk, 1)) };
        vec![
            Write::Put(config),
            Write::Put(put(item(&other, sk, 1))),
            Write::Put(if_absent(item(&pk, sk, 1))),
        ]
    };
    let in_config = async |sk: &str| {
        table.get(TableName::Config, Key::new(pk.clone(), sk), true).await.unwrap().is_some()
    };
    let error = table.transact(writes("1")).await.unwrap_err();
    assert!(matches!(error, TableError::ConditionFailed { current: None }), "{error:?}");
    assert!(!in_config("1").await);
    table.transact(writes("2")).await.unwrap();
    assert!(in_config("2").await && exists(table, &pk, "2").await);
}

/// As many as an endpoint with all its subscriptions may need.
pub async fn a_transaction_has_room_for_a_hundred_writes(table: &dyn Table) {
    let pk = unique("hundred");
    let writes = |taken: &str| {
        let sk = |number: u64| if number == 99 { taken.to_owned() } else { format!("{number:02}") };
        (0..100).map(|number| Write::Put(if_absent(item(&pk, &sk(number), number)))).collect()
    };
    table.put(put(item(&pk, "taken", 1))).await.unwrap();
    let error = table.transact(writes("taken")).await.unwrap_err();
    assert!(matches!(error, TableError::ConditionFailed { .. }), "{error:?}");
    assert!(!exists(table, &pk, "00").await && !exists(table, &pk, "98").await);
    table.transact(writes("free")).await.unwrap();
    let keys = (0..99).map(|number| Key::new(pk.clone(), format!("{number:02}")));
    let keys = keys.chain([Key::new(pk.clone(), "free")]).collect();
    assert_eq!(table.batch_get(TABLE, keys).await.unwrap().len(), 100);
}

/// `ADD` begins at nothing and counts on.
pub async fn a_counter_counts_every_transaction(table: &dyn Table) {
    let pk = unique("counter");
    let key = || Key::new(pk.clone(), "VERSION");
    for count in 1..=5_u64 {
        let update = Expression::new("ADD version :one").number_value(":one", 1);
        let count_up = Write::Update(Update { table: TABLE, key: key(), update, condition: None });
        let row = Write::Put(if_absent(item(&pk, &count.to_string(), count)));
        table.transact(vec![row, count_up]).await.unwrap();
        let counter = table.get(TABLE, key(), true).await.unwrap().unwrap();
        assert_eq!(counter.get("version"), Some(Value::N(&count.to_string())));
    }
}

/// What is not there can neither be deleted nor changed on the condition that it is.
pub async fn conditions_guard_deletes_and_updates(table: &dyn Table) {
    let pk = unique("guard");
    let delete = |sk: &str, condition: Option<Expression>| {
        Write::Delete(Delete { table: TABLE, key: Key::new(pk.clone(), sk), condition })
    };
    let if_there = || Some(Expression::new("attribute_exists(pk)"));
    let failed = |result: Result<(), TableError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, TableError::ConditionFailed { current: None }), "{error:?}");
    };
    table.put(put(item(&pk, "1", 1))).await.unwrap();
    failed(table.transact(vec![delete("1", None), delete("2", if_there())]).await);
    assert!(exists(table, &pk, "1").await);
    let update = |sk: &str, before: u64| {
        let update = Expression::new("SET #v = :next")
            .name("#v", "value")
            .number_value(":next", before + 1)
            .number_value(":before", before);
        let condition = Some("#v = :before".into());
        Write::Update(Update { table: TABLE, key: Key::new(pk.clone(), sk), update, condition })
    };
    failed(table.transact(vec![update("1", 7)]).await);
    failed(table.transact(vec![update("2", 1)]).await);
    table.transact(vec![update("1", 1)]).await.unwrap();
    let changed = table.get(TABLE, Key::new(pk.clone(), "1"), true).await.unwrap();
    assert_eq!(changed, Some(item(&pk, "1", 2)));
    table.transact(vec![delete("1", if_there()), delete("3", None)]).await.unwrap();
    assert!(!exists(table, &pk, "1").await);
}
