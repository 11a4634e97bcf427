//! Tables that hold what was put into them. Conditions and filters let everything pass; an index is a search.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::keys::{KeyCondition, text};

/// A time that has long come, as the index `due` writes it.
const LONG_AGO: &str = "000000000000001";

/// Items by table and key.
#[derive(Default)]
pub(super) struct Tables(HashMap<String, BTreeMap<(String, String), Value>>);

fn key_of(item: &Value) -> (String, String) {
    (text(item, "pk").unwrap().to_owned(), text(item, "sk").unwrap().to_owned())
}

fn name_of(request: &Value) -> &str {
    request["TableName"].as_str().unwrap()
}

impl Tables {
    /// Answers a request.
    pub(super) fn answer(&mut self, operation: &str, request: &Value) -> Value {
        match operation {
            "GetItem" => match self.get(name_of(request), &request["Key"]) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            },
            "PutItem" => {
                self.put(request);
                json!({})
            }
            "BatchGetItem" => self.batch_get(request),
            "Query" => self.query(request),
            "TransactWriteItems" => {
                for action in request["TransactItems"].as_array().unwrap() {
                    self.act(action);
                }
                json!({})
            }
            _ => panic!("the stub of DynamoDB does not know {operation}"),
        }
    }

    fn get(&self, table: &str, key: &Value) -> Option<&Value> {
        self.0.get(table)?.get(&key_of(key))
    }

    fn put(&mut self, put: &Value) {
        let item = put["Item"].clone();
        self.0.entry(name_of(put).to_owned()).or_default().insert(key_of(&item), item);
    }

    fn act(&mut self, action: &Value) {
        if action["Put"].is_object() {
            return self.put(&action["Put"]);
        }
        // Tenants' counts of changes to their endpoints are the only thing that is updated.
        let update = &action["Update"];
        assert_eq!(update["UpdateExpression"], "ADD version :one", "the stub of DynamoDB knows no other");
        let before = self.get(name_of(update), &update["Key"]);
        let before = before.and_then(|item| item["version"]["N"].as_str()).unwrap_or("0");
        let after = before.parse::<u64>().unwrap() + 1;
        let mut item = update["Key"].clone();
        item["version"] = json!({ "N": after.to_string() });
        self.put(&json!({ "TableName": name_of(update), "Item": item }));
    }

    fn batch_get(&self, request: &Value) -> Value {
        let mut responses = HashMap::new();
        for (table, asked) in request["RequestItems"].as_object().unwrap() {
            let keys = asked["Keys"].as_array().unwrap().iter();
            responses.insert(table, keys.filter_map(|key| self.get(table, key)).collect::<Vec<_>>());
        }
        json!({ "Responses": responses, "UnprocessedKeys": {} })
    }

    fn query(&self, request: &Value) -> Value {
        let words = KeyCondition::words(request);
        let condition = KeyCondition::read(request, &words);
        let place = |item: &Value| (text(item, condition.range).unwrap().to_owned(), key_of(item));
        let mut found: Vec<_> = match self.0.get(name_of(request)) {
            None => Vec::new(),
            Some(table) if condition.hash == "pk" => {
                let partition = table.range((condition.partition.to_owned(), String::new())..);
                let partition = partition.take_while(|((pk, _), _)| pk == condition.partition);
                partition.map(|(_, item)| item).filter(|item| condition.holds(item)).collect()
            }
            Some(table) => table.values().filter(|item| condition.holds(item)).collect(),
        };
        found.sort_by_cached_key(|item| place(item));
        let ascends = request["ScanIndexForward"] != false;
        if !ascends {
            found.reverse();
        }
        if let Some(start) = request.get("ExclusiveStartKey") {
            let start = place(start);
            found.retain(|item| if ascends { place(item) > start } else { place(item) < start });
        }
        let limit = request["Limit"].as_u64().map_or(found.len(), |limit| limit as usize);
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let mut answer = json!({ "Items": found, "Count": found.len(), "ScannedCount": found.len() });
        if let (false, Some(last)) = (is_last, found.last()) {
            let attributes = ["pk", "sk", condition.hash, condition.range];
            let key: HashMap<_, _> = attributes.into_iter().map(|name| (name, &last[name])).collect();
            answer["LastEvaluatedKey"] = json!(key);
        }
        answer
    }

    /// Lets the time come of whatever is in the index `due`. Answers how many items there are.
    pub(super) fn make_due(&mut self) -> usize {
        let items = self.0.values_mut().flat_map(BTreeMap::values_mut);
        let waiting = items.filter(|item| item.get("due").is_some());
        let make_due = |item: &mut Value| {
            item["due_at"] = json!({ "S": LONG_AGO });
            item["next_attempt_at"] = json!({ "N": LONG_AGO.trim_start_matches('0') });
        };
        waiting.map(make_due).count()
    }
}
