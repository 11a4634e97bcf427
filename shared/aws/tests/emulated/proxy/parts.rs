//! Batches of which a part is left: what goes on to the service, and what is put into its answer.

use bytes::Bytes;
use serde_json::{Value, json};

/// A batch that is divided.
pub(super) struct Divided {
    /// What goes on to the service; `None` when nothing is left of the request.
    pub(super) request: Option<Bytes>,
    /// Where in the answer the rest is reported, and how.
    pub(super) report: (&'static str, Value),
}

/// Divides a batch: `keep` says which of its entries take effect. `None` when the request is no batch.
pub(super) fn divide(
    operation: &str,
    body: &Bytes,
    sender_fault: bool,
    mut keep: impl FnMut(usize) -> bool,
) -> Option<Divided> {
    let mut request: Value = serde_json::from_slice(body).ok()?;
    let (list, report) = match operation {
        "SendMessageBatch" => {
            let entries = request.get_mut("Entries")?.as_array_mut()?;
            let left = take(entries, &mut keep);
            let failed = left.iter().map(|entry| {
                let code = if sender_fault { "InvalidParameterValue" } else { "InternalError" };
                json!({"Id": entry["Id"], "Code": code, "Message": "told to", "SenderFault": sender_fault})
            });
            (entries.len(), ("Failed", failed.collect()))
        }
        "BatchGetItem" => {
            let (table, of_table) = request.get_mut("RequestItems")?.as_object_mut()?.iter_mut().next()?;
            let table = table.clone();
            let keys = of_table.get_mut("Keys")?.as_array_mut()?;
            let left = take(keys, &mut keep);
            let count = keys.len();
            let mut unprocessed = of_table.clone();
            unprocessed["Keys"] = left.into();
            (count, ("UnprocessedKeys", json!({table: unprocessed})))
        }
        _ => return None,
    };
    let request = (list > 0).then(|| Bytes::from(request.to_string()));
    Some(Divided { request, report })
}

/// Takes out what is not kept.
fn take(entries: &mut Vec<Value>, keep: &mut impl FnMut(usize) -> bool) -> Vec<Value> {
    let all = std::mem::take(entries);
    let mut left = Vec::new();
    for (index, entry) in all.into_iter().enumerate() {
        if keep(index) { entries.push(entry) } else { left.push(entry) }
    }
    left
}

/// The answer with the report put in.
pub(super) fn report(answer: &[u8], (name, value): (&str, Value)) -> Bytes {
    let mut answer: Value = serde_json::from_slice(answer).unwrap_or_else(|_| json!({}));
    if name == "Failed" && answer.get("Successful").is_none() {
        answer["Successful"] = json!([]);
    }
    answer[name] = value;
    answer.to_string().into()
}
