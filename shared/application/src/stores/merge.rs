//! One list out of several partitions, each of which is sorted: newest first.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::ports::table::{Item, Query, Table, TableError};

/// How many partitions are asked at a time.
const PARALLEL: usize = 16;

/// A portion of several sorted partitions, merged.
pub(super) struct Merged {
    /// The rows with their sort keys, in descending order.
    pub(super) rows: Vec<(String, Item)>,
    /// Everything from this key on was looked at, and there may be more below; `None` when there is not.
    pub(super) reached: Option<String>,
}

/// Asks each query for its first `portion` items in descending order and merges what is certain: a row is
/// only taken if no partition that has more could hold a row above it.
pub(super) async fn merge_descending(
    table: &dyn Table,
    queries: Vec<Query>,
    portion: usize,
    sort_key: impl Fn(&Item) -> String,
) -> Result<Merged, TableError> {
    let limit = u32::try_from(portion).unwrap_or(u32::MAX);
    let asked = queries.into_iter().map(|query| {
        let query = Query { ascending: false, limit: Some(limit), ..query };
        async move { table.query(query).await }
    });
    let pages: Vec<_> = stream::iter(asked).buffer_unordered(PARALLEL).try_collect().await?;
    // The highest of the keys at which a partition with more items stopped: below it, nothing is certain.
    let reached = pages.iter().filter_map(|page| page.next.as_ref()).map(&sort_key).max();
    let mut rows: Vec<(String, Item)> = Vec::new();
    for item in pages.into_iter().flat_map(|page| page.items) {
        let key = sort_key(&item);
        if reached.as_ref().is_none_or(|floor| key >= *floor) {
            rows.push((key, item));
        }
    }
    rows.sort_by(|left, right| right.0.cmp(&left.0));
    Ok(Merged { rows, reached })
}
