//! What was acknowledged is there after a crash between any two steps. A crash is a copy of the files as they are
//! at that moment, opened again.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use postrider_application::ports::table::Delete;

use super::*;
use crate::write_log::{Frame, WriteLog};

/// What should be there: the values of the items of the partition `a`.
type Model = BTreeMap<String, u64>;

async fn put(table: &EmbeddedTable, model: &mut Model, keys: std::ops::Range<u64>, value: u64) {
    let write = |number: u64| {
        table.put(Put { table: TABLE, item: item("a", &format!("{number:04}"), value), condition: None })
    };
    for result in join_all(keys.clone().map(write)).await {
        result.unwrap();
    }
    model.extend(keys.map(|number| (format!("{number:04}"), value)));
}

async fn check(table: &EmbeddedTable, model: &Model, when: &str) {
    let found = table.query(Query::partition(TABLE, "a")).await.unwrap().items;
    let expected: Vec<_> = model.iter().map(|(sk, value)| item("a", sk, *value)).collect();
    assert_eq!(found, expected, "{when}");
}

/// Opens a copy of the files, twice, so that it also counts what the first opening does.
async fn check_copy(folder: &Path, model: &Model, when: &str) {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        // Shared memory of SQLite's processes, which a crash leaves behind and nobody trusts.
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    for opening in ["first", "second"] {
        let table = EmbeddedTable::in_file(&copy.path().join("table.sqlite")).unwrap();
        check(&table, model, &format!("{when}, {opening} opening")).await;
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_between_any_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    let table = EmbeddedTable::in_file(&folder.path().join("table.sqlite")).unwrap();
    let mut model = Model::new();
    let after = async |model: &Model, when: &str| check_copy(folder.path(), model, when).await;
    put(&table, &mut model, 0..40, 1).await;
    after(&model, "in the log only").await;
    let half = (0..20).map(|number| Place::new("a", &format!("{number:04}"))).collect();
    table.settle(half).await.unwrap();
    after(&model, "half of it in the engine, too").await;
    put(&table, &mut model, 10..30, 2).await;
    after(&model, "some newer than what the engine has").await;
    let delete = |number: u64| {
        Write::Delete(Delete { table: TABLE, key: Key::new("a", format!("{number:04}")), condition: None })
    };
    table.transact((5..35).map(delete).collect()).await.unwrap();
    model.retain(|sk, _| !("0005".."0035").contains(&sk.as_str()));
    after(&model, "deleted, with older states in the log").await;
    put(&table, &mut model, 20..25, 3).await;
    after(&model, "put again").await;
    table.settle(table.overlay.places(&Concerned::Everything)).await.unwrap();
    after(&model, "all of it in the engine and in the log").await;
}

#[tokio::test]
async fn full_files_are_given_to_the_engine_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let table = EmbeddedTable::in_file(&path).unwrap();
    let mut model = Model::new();
    let large = |number: u64| {
        let mut item = item("b", &number.to_string(), 1);
        item.insert("text".to_owned(), AttributeValue::S("x".repeat(200_000)));
        Put { table: TABLE, item, condition: None }
    };
    for round in 0..3 {
        put(&table, &mut model, round * 10..round * 10 + 20, round).await;
        for result in join_all((0..45).map(|number| table.put(large(round * 100 + number)))).await {
            result.unwrap();
        }
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while write_log::numbers(&path).unwrap().len() > 1 {
        assert!(Instant::now() < deadline, "the log is not given to the engine");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let files = fs::read_dir(folder.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("table.log-"));
    let count = files.count();
    assert!((2..=1 + write_log::KEPT).contains(&count), "{count}: the one that is written and spare ones");
    check(&table, &model, "running").await;
    drop(table);
    check_copy(folder.path(), &model, "after the end").await;
}

#[tokio::test]
async fn several_full_files_that_nobody_settled_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let mut model = Model::new();
    let table = EmbeddedTable::in_file(&path).unwrap();
    put(&table, &mut model, 0..3, 1).await;
    drop(table);
    let mut log = WriteLog::begin(&path).unwrap();
    for round in 2..5 {
        let mut frame = Frame::new();
        for sk in ["0000", "0001"] {
            let hot = HotPut::recognise(&Put { table: TABLE, item: item("a", sk, round), condition: None })
                .unwrap();
            records::push(&mut frame, &hot.place, Some(&hot.packed));
            model.insert(sk.to_owned(), round);
        }
        log.append(frame).unwrap();
        log.turn_over().unwrap();
    }
    drop(log);
    check_copy(folder.path(), &model, "four files").await;
}
