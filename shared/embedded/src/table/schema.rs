//! The tables as DynamoDB defines them; `template.yaml` has the same definition for AWS.

use dynoxide::{Database, DynoxideError};
use postrider_application::ports::table::{IndexName, TableName};
use serde_json::{Value, json};

use super::requests::table_name;

/// Creates the tables that are not there.
pub(super) fn create_missing(database: &Database) -> Result<(), DynoxideError> {
    for table in TableName::ALL {
        let request = serde_json::from_value(definition(table))
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
        match database.create_table(request) {
            Ok(_) => enable_ttl(database, table)?,
            Err(DynoxideError::ResourceInUseException(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn definition(table: TableName) -> Value {
    let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let mut attributes = vec![text("pk"), text("sk")];
    let mut definition = json!({
        "TableName": table_name(table),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("pk", "sk"),
    });
    if table == TableName::Ledger {
        let indexes = IndexName::ALL.map(|index| {
            let (hash, range) = index.key_attributes();
            attributes.extend([text(hash), text(range)]);
            json!({
                "IndexName": index.as_str(),
                "KeySchema": keys(hash, range),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            })
        });
        definition["GlobalSecondaryIndexes"] = Value::from(indexes.to_vec());
    }
    definition["AttributeDefinitions"] = attributes.into();
    definition
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
