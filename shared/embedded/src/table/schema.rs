//! The tables as DynamoDB defines them; `template.yaml` has the same definition for AWS.

use dynoxide::{Database, DynoxideError};
use postrider_application::ports::table::{IndexName, TableName};
use serde_json::{Value, json};

use super::requests::table_name;

/// Creates the tables that are not there, and the indexes that an older version did not know.
pub(super) fn create_missing(database: &Database) -> Result<(), DynoxideError> {
    for table in TableName::ALL {
        let request = serde_json::from_value(definition(table))
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
        match database.create_table(request) {
            Ok(_) => enable_ttl(database, table)?,
            Err(DynoxideError::ResourceInUseException(_)) => add_missing_indexes(database, table)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn definition(table: TableName) -> Value {
    let mut attributes = vec![text("pk"), text("sk")];
    let mut definition = json!({
        "TableName": table_name(table),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("pk", "sk"),
    });
    if table == TableName::Ledger {
        attributes.extend(IndexName::ALL.into_iter().flat_map(attributes_of));
        definition["GlobalSecondaryIndexes"] = IndexName::ALL.into_iter().map(index_definition).collect();
    }
    definition["AttributeDefinitions"] = attributes.into();
    definition
}

fn text(attribute: &str) -> Value {
    json!({"AttributeName": attribute, "AttributeType": "S"})
}

fn keys(hash: &str, range: &str) -> Value {
    json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}])
}

fn attributes_of(index: IndexName) -> [Value; 2] {
    let (hash, range) = index.key_attributes();
    [text(hash), text(range)]
}

fn index_definition(index: IndexName) -> Value {
    let (hash, range) = index.key_attributes();
    json!({
        "IndexName": index.as_str(),
        "KeySchema": keys(hash, range),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    })
}

fn add_missing_indexes(database: &Database, table: TableName) -> Result<(), DynoxideError> {
    if table != TableName::Ledger {
        return Ok(());
    }
    let failed = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
    let name = json!({"TableName": table_name(table)});
    let described = database.describe_table(serde_json::from_value(name).map_err(failed)?)?;
    let described = serde_json::to_value(described).map_err(failed)?;
    let present: Vec<&str> = described["Table"]["GlobalSecondaryIndexes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|index| index["IndexName"].as_str())
        .collect();
    for index in IndexName::ALL.into_iter().filter(|index| !present.contains(&index.as_str())) {
        let update = json!({
            "TableName": table_name(table),
            "AttributeDefinitions": attributes_of(index),
            "GlobalSecondaryIndexUpdates": [{"Create": index_definition(index)}],
        });
        database.update_table(serde_json::from_value(update).map_err(failed)?)?;
    }
    Ok(())
}

fn enable_ttl(database: &Database, table: TableName) -> Result<(), DynoxideError> {
    if table != TableName::Ledger {
        return Ok(());
    }
    let request = json!({
        "TableName": table_name(table),
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": true},
    });
    let request = serde_json::from_value(request)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    database.update_time_to_live(request).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_an_older_version_gets_the_indexes_that_it_lacks() {
        let database = Database::memory().unwrap();
        let mut old = definition(TableName::Ledger);
        old["GlobalSecondaryIndexes"] = json!([index_definition(IndexName::Timeline)]);
        old["AttributeDefinitions"] = json!([text("pk"), text("sk"), text("timeline"), text("timeline_at")]);
        database.create_table(serde_json::from_value(old).unwrap()).unwrap();
        let item = json!({
            "TableName": table_name(TableName::Ledger),
            "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}, "due": {"S": "D"}, "due_at": {"S": "1"}},
        });
        database.put_item(serde_json::from_value(item).unwrap()).unwrap();
        create_missing(&database).unwrap();
        create_missing(&database).unwrap();
        let query = json!({
            "TableName": table_name(TableName::Ledger),
            "IndexName": IndexName::Due.as_str(),
            "KeyConditionExpression": "#due = :due",
            "ExpressionAttributeNames": {"#due": "due"},
            "ExpressionAttributeValues": {":due": {"S": "D"}},
        });
        let page = database.query(serde_json::from_value(query).unwrap()).unwrap();
        assert_eq!(page.count, 1);
    }
}
