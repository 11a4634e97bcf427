//! Sizes and units, by DynamoDB's and SQS's rules.

use postrider_application::ports::OutgoingMessage;
use postrider_application::ports::table::{AttributeValue, IndexName, Item, Value};

/// What one write unit covers, in bytes.
pub const WRITE_UNIT_BYTES: usize = 1024;

/// What one read unit covers, in bytes.
pub const READ_UNIT_BYTES: usize = 4096;

/// What one request of SQS covers, in bytes: larger ones count as several.
pub const QUEUE_CHUNK_BYTES: usize = 64 * 1024;

/// The most messages in one request to SQS.
pub const QUEUE_BATCH: usize = 10;

/// The most bytes in one request to SQS.
const QUEUE_BATCH_BYTES: usize = 1024 * 1024;

/// An item's size in bytes: names and values.
pub fn item_size(item: &Item) -> usize {
    attributes_size(item.iter())
}

fn attributes_size<'a, V: Into<Value<'a>>>(attributes: impl Iterator<Item = (&'a str, V)>) -> usize {
    attributes.map(|(name, value)| name.len() + value_size(value.into())).sum()
}

fn value_size(value: Value<'_>) -> usize {
    match value {
        Value::S(text) => text.len(),
        Value::N(number) => number_size(number),
        Value::Other(value) => other_size(value),
    }
}

fn other_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(_) | AttributeValue::N(_) => value_size(value.into()),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_size(number)).sum(),
        AttributeValue::Bs(values) => values.iter().map(Vec::len).sum(),
        AttributeValue::L(values) => {
            3 + values.iter().map(|value| 1 + value_size(value.into())).sum::<usize>()
        }
        AttributeValue::M(values) => {
            3 + values.len() + attributes_size(values.iter().map(|(name, value)| (&**name, value)))
        }
    }
}

/// About a byte for two significant digits, and one more. Zeros at either end are not significant.
fn number_size(number: &str) -> usize {
    let (mantissa, _) = number.split_once(['e', 'E']).unwrap_or((number, ""));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

/// The write units of an item of this size.
pub const fn write_units(bytes: usize) -> u64 {
    units(bytes, WRITE_UNIT_BYTES)
}

/// The read units of this many bytes, in halves: an eventually consistent read costs half a unit for each 4 KB.
pub const fn read_half_units(bytes: usize, consistent: bool) -> u64 {
    units(bytes, READ_UNIT_BYTES) * if consistent { 2 } else { 1 }
}

const fn units(bytes: usize, unit: usize) -> u64 {
    if bytes == 0 { 1 } else { bytes.div_ceil(unit) as u64 }
}

/// The write units of an index when an item of the ledger changes: one to enter it or to leave it, two when its
/// place changes, none otherwise, as the indexes hold keys only.
pub fn index_units(index: IndexName, before: Option<&Item>, after: Option<&Item>) -> u64 {
    let before = before.and_then(|item| index_entry(index, item));
    let after = after.and_then(|item| index_entry(index, item));
    if before == after {
        return 0;
    }
    [before, after].iter().flatten().map(|entry| write_units(item_size(entry))).sum()
}

/// What an index holds of an item: its keys and the table's; nothing unless it has both of the index's keys.
fn index_entry(index: IndexName, item: &Item) -> Option<Item> {
    let (hash, range) = index.key_attributes();
    let mut item = item.clone();
    let attribute = |name: &'static str| Some((name, item.remove(name)?));
    [hash, range, "pk", "sk"].into_iter().map(attribute).collect()
}

/// What one request to send messages holds: as many as fit, in their order. Answers for each request its number
/// of messages and its bytes.
pub fn requests_of(messages: &[OutgoingMessage]) -> Vec<(usize, usize)> {
    let mut requests: Vec<(usize, usize)> = Vec::new();
    for message in messages {
        let size = message.body.text().len();
        match requests.last_mut() {
            Some((count, bytes)) if *count < QUEUE_BATCH && *bytes + size <= QUEUE_BATCH_BYTES => {
                *count += 1;
                *bytes += size;
            }
            _ => requests.push((1, size)),
        }
    }
    requests
}

/// For how many requests SQS bills a request with this many bytes.
pub const fn billed_requests(bytes: usize) -> u64 {
    units(bytes, QUEUE_CHUNK_BYTES)
}
