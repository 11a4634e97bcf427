//! The tables behave as the engine alone does, whatever the overlay holds.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use postrider_application::ports::table::{Delete, IndexName, Update};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const FAR: u64 = 99_999_999_999;

/// An operation on few keys, so that many meet.
#[derive(Debug, Clone)]
enum Step {
    Put { place: (u8, u8), form: Form, condition: Known },
    Get((u8, u8)),
    BatchGet(Vec<u8>),
    Query { pk: u8, ascending: bool, limit: Option<u32>, between: Option<(u8, u8)> },
    QueryIndex,
    Transact { put: (u8, u8), update: (u8, u8), delete: (u8, u8), new_only: bool },
    Settle,
    RemoveExpired,
    Reopen,
}

/// What an item looks like.
#[derive(Debug, Clone)]
struct Form {
    version: u8,
    open: bool,
    expired: bool,
    /// Something that the overlay does not take.
    odd: Option<AttributeValue>,
}

#[derive(Debug, Clone)]
enum Known {
    Nothing,
    Absent,
    Version(u8),
    Present,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..2_u8, 0..6_u8);
    let odd = prop_oneof![
        10 => Just(None),
        1 => Just(Some(AttributeValue::L(vec![AttributeValue::Bool(true)]))),
        1 => Just(Some(AttributeValue::N("01.0".to_owned()))),
        1 => Just(Some(AttributeValue::N("not a number".to_owned()))),
        1 => Just(Some(AttributeValue::S(String::new()))),
    ];
    let form = (0..3_u8, any::<bool>(), prop::bool::weighted(0.1), odd)
        .prop_map(|(version, open, expired, odd)| Form { version, open, expired, odd });
    let condition = prop_oneof![
        1 => Just(Known::Nothing),
        2 => Just(Known::Absent),
        3 => (0..3_u8).prop_map(Known::Version),
        1 => Just(Known::Present),
    ];
    let between = prop::option::of((0..3_u8, 3..6_u8));
    let query = (0..2_u8, any::<bool>(), prop::option::of(1..4_u32), between)
        .prop_map(|(pk, ascending, limit, between)| Step::Query { pk, ascending, limit, between });
    let transact = (0..6_u8, 0..6_u8, 0..6_u8, any::<bool>()).prop_map(|(put, update, delete, new_only)| {
        let delete = (update + 1 + delete % 5) % 6;
        Step::Transact { put: (0, put), update: (1, update), delete: (1, delete), new_only }
    });
    let step = prop_oneof![
        12 => (place(), form, condition).prop_map(|(place, form, condition)| Step::Put { place, form, condition }),
        3 => place().prop_map(Step::Get),
        1 => vec(0..6_u8, 1..4).prop_map(Step::BatchGet),
        2 => query,
        1 => Just(Step::QueryIndex),
        1 => transact,
        1 => Just(Step::Settle),
        1 => Just(Step::RemoveExpired),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..60)
}

fn key((pk, sk): (u8, u8)) -> Key {
    Key::new(format!("p{pk}"), format!("s{sk}"))
}

fn item_of(place: (u8, u8), form: &Form) -> Item {
    let mut item = key(place).into_item();
    let number = |value: u64| AttributeValue::N(value.to_string());
    item.insert("version".to_owned(), number(form.version.into()));
    item.insert("expires_at".to_owned(), number(if form.expired { 1_000 } else { FAR }));
    if form.open {
        item.insert("open".to_owned(), AttributeValue::S("T#a".to_owned()));
        item.insert("open_at".to_owned(), AttributeValue::S(format!("x{}{}", place.0, place.1)));
    }
    item.extend(form.odd.clone().map(|odd| ("odd".to_owned(), odd)));
    item
}

fn condition(known: &Known) -> Option<Expression> {
    match known {
        Known::Nothing => None,
        Known::Absent => Some(Expression::new("attribute_not_exists(pk)")),
        Known::Version(version) => {
            Some(Expression::new("version = :version").number_value(":version", (*version).into()))
        }
        Known::Present => Some(Expression::new("attribute_exists(pk)")),
    }
}

fn query(step: &Step) -> Query {
    let Step::Query { pk, ascending, limit, between } = step else {
        let keys = Expression::new("#open = :pk").name("#open", "open").text_value(":pk", "T#a");
        return Query { index: Some(IndexName::Open), keys, ..Query::partition(TABLE, "") };
    };
    let mut query =
        Query { ascending: *ascending, limit: *limit, ..Query::partition(TABLE, format!("p{pk}")) };
    if let Some((low, high)) = between {
        query.keys.text.to_mut().push_str(" AND sk BETWEEN :low AND :high");
        query.keys = query.keys.text_value(":low", format!("s{low}")).text_value(":high", format!("s{high}"));
    }
    query
}

fn transaction(step: &Step) -> Vec<Write> {
    let Step::Transact { put, update, delete, new_only } = step else { return Vec::new() };
    let form = Form { version: 1, open: true, expired: false, odd: None };
    let new = new_only.then(|| Expression::new("attribute_not_exists(pk)"));
    let add = Expression::new("ADD version :one").number_value(":one", 1);
    vec![
        Write::Put(Put { table: TABLE, item: item_of(*put, &form), condition: new }),
        Write::Update(Update { table: TABLE, key: key(*update), update: add, condition: None }),
        Write::Delete(Delete { table: TABLE, key: key(*delete), condition: None }),
    ]
}

/// What an operation answered, in a form that can be compared.
fn told<T: std::fmt::Debug>(result: Result<T, TableError>) -> Result<T, String> {
    result.map_err(|error| match error {
        TableError::ConditionFailed { current } => {
            format!("condition failed: {:?}", current.map(|item| sorted(&item)))
        }
        TableError::Conflict => "conflict".to_owned(),
        TableError::Unavailable { .. } => "unavailable".to_owned(),
        TableError::Invalid { .. } => "invalid".to_owned(),
    })
}

fn sorted(item: &Item) -> String {
    let item: BTreeMap<_, _> = item.iter().collect();
    format!("{item:?}")
}

async fn compare(steps: &[Step], path: Option<PathBuf>) {
    let open = || match &path {
        Some(path) => EmbeddedTable::in_file(path).unwrap(),
        None => EmbeddedTable::in_memory().unwrap(),
    };
    let (mut table, plain) = (open(), Engine::in_memory().unwrap());
    for step in steps {
        match step {
            Step::Put { place, form, condition: known } => {
                let put = Put { table: TABLE, item: item_of(*place, form), condition: condition(known) };
                assert_eq!(told(table.put(put.clone()).await), told(plain.put(put)), "{step:?}");
            }
            Step::Get(place) => {
                let expected = told(plain.get(TABLE, key(*place), true));
                assert_eq!(told(table.get(TABLE, key(*place), true).await), expected, "{step:?}");
            }
            Step::BatchGet(sks) => {
                let keys: HashSet<_> = sks.iter().flat_map(|sk| [key((0, *sk)), key((1, *sk))]).collect();
                let keys: Vec<_> = keys.into_iter().collect();
                let all = |items: Vec<Item>| items.iter().map(sorted).collect::<BTreeSet<_>>();
                let expected = told(plain.batch_get(TABLE, keys.clone()).map(all));
                assert_eq!(told(table.batch_get(TABLE, keys).await.map(all)), expected, "{step:?}");
            }
            Step::Query { .. } | Step::QueryIndex => {
                let expected = told(plain.query(query(step)).map(|page| (page.items, page.next)));
                let found = told(table.query(query(step)).await.map(|page| (page.items, page.next)));
                assert_eq!(found, expected, "{step:?}");
            }
            Step::Transact { .. } => {
                let writes = transaction(step);
                assert_eq!(
                    told(table.transact(writes.clone()).await),
                    told(plain.transact(writes)),
                    "{step:?}"
                );
            }
            Step::Settle => table.settle(table.overlay.places(&Concerned::Everything)).await.unwrap(),
            Step::RemoveExpired => remove_expired(&table, &plain).await,
            Step::Reopen if path.is_some() => {
                drop(table);
                table = open();
                // What had expired may be back, and is removed as at every start.
                remove_expired(&table, &plain).await;
            }
            Step::Reopen => {}
        }
    }
}

async fn remove_expired(table: &EmbeddedTable, plain: &Engine) {
    table.remove_expired(Timestamp::from_millis(1_800_000_000_000)).await.unwrap();
    plain.remove_expired().unwrap();
}

fn run(steps: &[Step], path: Option<PathBuf>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare(steps, path));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn in_memory(steps in steps()) {
        run(&steps, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_a_file(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        run(&steps, Some(folder.path().join("table.sqlite")));
    }
}
