//! Many items in the order of their range keys.

use std::collections::BTreeSet;

use postrider_application::ports::table::{AttributeValue, Expression, IndexName, Key, Query, Table, Write};

use super::{TABLE, if_absent, item, put, text};
use crate::unique::unique;
use crate::wait::eventually;

/// Puts items with these range keys; the value is the place among them.
async fn fill(table: &dyn Table, pk: &str, range_keys: &[String]) {
    let mut number = 0;
    for portion in range_keys.chunks(100) {
        let mut writes = Vec::new();
        for sk in portion {
            writes.push(Write::Put(if_absent(item(pk, sk, number))));
            number += 1;
        }
        table.transact(writes).await.unwrap();
    }
}

/// The range keys of all pages.
async fn all_pages(table: &dyn Table, mut query: Query) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = table.query(query.clone()).await.unwrap();
        found.extend(page.items.iter().map(|item| text(item, "sk").to_owned()));
        match page.next {
            Some(next) => query.start = Some(next),
            None => return found,
        }
    }
}

fn partition(pk: &str) -> Query {
    Query { consistent: true, ..Query::partition(TABLE, pk) }
}

/// Every item once, in order, in pages that are not longer than asked for.
pub async fn a_query_pages_in_both_directions(table: &dyn Table) {
    let pk = unique("pages");
    let mut expected: Vec<String> = (0..130).map(|number| format!("{number:03}")).collect();
    fill(table, &pk, &expected).await;
    fill(table, &format!("{pk}x"), &["other".to_owned()]).await;
    for ascending in [true, false] {
        let query = Query { limit: Some(60), ascending, ..partition(&pk) };
        let first = table.query(query.clone()).await.unwrap();
        assert_eq!((first.items.len(), first.next.is_some()), (60, true));
        assert_eq!(all_pages(table, query).await, expected);
        assert_eq!(all_pages(table, Query { ascending, ..partition(&pk) }).await, expected);
        expected.reverse();
    }
    // A page may begin after any key, also after one that is not there.
    let start = Some(Key::new(pk.clone(), "127x").into_item());
    assert_eq!(all_pages(table, Query { start, ..partition(&pk) }).await, ["128", "129"]);
    let nothing = table.query(partition(&unique("nothing"))).await.unwrap();
    assert!(nothing.items.is_empty() && nothing.next.is_none());
}

/// `begins_with`, `BETWEEN` (both ends included) and comparison, in the order of the bytes.
pub async fn a_query_finds_ranges_of_keys(table: &dyn Table) {
    let pk = unique("ranges");
    let keys = ["VERSION", "ep_1", "ep_10", "ep_2", "eq", "~"].map(str::to_owned);
    fill(table, &pk, &keys).await;
    let found = async |condition: &str, low: &str, high: Option<&str>| {
        let keys = Expression::new(format!("pk = :pk AND {condition}"));
        let mut keys = keys.text_value(":pk", pk.clone()).text_value(":low", low);
        if let Some(high) = high {
            keys = keys.text_value(":high", high);
        }
        all_pages(table, Query { keys, ..partition(&pk) }).await
    };
    assert_eq!(found("begins_with(sk, :low)", "ep_", None).await, ["ep_1", "ep_10", "ep_2"]);
    assert_eq!(found("sk BETWEEN :low AND :high", "ep_10", Some("eq")).await, ["ep_10", "ep_2", "eq"]);
    assert_eq!(found("sk > :low", "eq", None).await, ["~"]);
}

/// A page is full when enough was looked at, not when enough was found.
pub async fn a_filter_leaves_out_what_was_looked_at(table: &dyn Table) {
    let pk = unique("filter");
    let keys: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
    fill(table, &pk, &keys).await;
    let filter = Expression::new("#v >= :least").name("#v", "value").number_value(":least", 25);
    let query = Query { filter: Some(filter), limit: Some(10), ..partition(&pk) };
    let first = table.query(query.clone()).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    assert_eq!(all_pages(table, query).await, keys[25..]);
}

/// An index is sparse, holds keys only, and follows its table.
pub async fn an_index_holds_the_keys_of_items_with_its_attributes(table: &dyn Table) {
    for index in IndexName::ALL {
        let (hash, range) = index.key_attributes();
        let (pk, open) = (unique("indexed"), unique("open"));
        let indexed = |sk: &str| {
            let mut item = item(&pk, sk, 1);
            item.insert(hash.to_owned(), AttributeValue::S(open.clone()));
            // The index has an order of its own.
            item.insert(range.to_owned(), AttributeValue::S(format!("{}", 9 - sk.len())));
            item
        };
        for sk in ["1", "22", "333"] {
            table.put(put(indexed(sk))).await.unwrap();
        }
        table.put(put(item(&pk, "4444", 1))).await.unwrap();
        let keys = Expression::new("#hash = :hash").name("#hash", hash).text_value(":hash", open.clone());
        let query = Query { index: Some(index), keys, limit: Some(2), ..partition("") };
        becomes(table, &query, &["333", "22", "1"]).await;
        let page = table.query(query.clone()).await.unwrap();
        let names: BTreeSet<&str> = page.items[0].names().collect();
        assert_eq!(names, BTreeSet::from(["pk", "sk", hash, range]));
        // Without its attributes, the item is in the index no more.
        table.put(put(item(&pk, "22", 1))).await.unwrap();
        becomes(table, &query, &["333", "1"]).await;
        becomes(table, &Query { ascending: false, ..query }, &["1", "333"]).await;
    }
}

/// Reads of an index lag behind the writes.
async fn becomes(table: &dyn Table, query: &Query, expected: &[&str]) {
    eventually("the index to follow", async || {
        let found = all_pages(table, query.clone()).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}
