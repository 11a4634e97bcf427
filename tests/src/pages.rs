//! Lists, page by page.

use serde_json::Value;

use crate::Client;

/// More pages than any test needs: a list that does not end is a failure, not a hang.
const MOST_PAGES: usize = 10_000;

/// Every row of a list, read in pages of `limit` rows.
pub async fn all(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{separator}limit={limit}");
    let (mut rows, mut next) = (Vec::new(), first.clone());
    for _ in 0..MOST_PAGES {
        let page = client.get(&next).await.expect(200).json();
        let items = page["items"].as_array().unwrap_or_else(|| panic!("{next}: no items: {page}"));
        assert!(items.len() <= limit, "{next}: {} rows", items.len());
        rows.extend(items.iter().cloned());
        let cursor = &page["next_cursor"];
        match cursor.as_str() {
            Some(cursor) => next = format!("{first}&cursor={}", escape(cursor)),
            None => {
                assert!(cursor.is_null(), "{next}: {cursor}");
                return rows;
            }
        }
    }
    panic!("{path} does not end");
}

/// A text as part of a query.
pub fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// One field of every row, as text.
pub fn texts(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter()
        .map(|row| row[field].as_str().unwrap_or_else(|| panic!("no {field}: {row}")).to_owned())
        .collect()
}
