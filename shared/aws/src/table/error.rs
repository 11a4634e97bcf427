//! The SDK's errors by what the caller can do about them.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use postrider_application::ports::table::{TableError, TableName};

use super::convert::item_from;

/// The codes that say that the request itself is wrong. All others may be gone the next time, or once the
/// deployment is put right: throttling, failures of the service, credentials, permissions, a missing table.
const DEFECTS: [&str; 4] = [
    "ValidationException",
    "SerializationException",
    "ItemCollectionSizeLimitExceededException",
    "IdempotentParameterMismatchException",
];

/// The same, among the reasons for which a transaction is cancelled.
const DEFECTIVE_ACTIONS: [&str; 2] = ["ValidationError", "ItemCollectionSizeLimitExceeded"];

/// Any operation's error, where no condition was set.
pub(super) fn plain<E>(table: TableName, error: SdkError<E, HttpResponse>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let is_defect = code.is_some_and(|code| DEFECTS.contains(&code));
    let source = error.into();
    if is_defect { TableError::Invalid { table, source } } else { TableError::Unavailable { table, source } }
}

/// The error of `PutItem`.
pub(super) fn put(table: TableName, error: SdkError<PutItemError, HttpResponse>) -> TableError {
    match error {
        SdkError::ServiceError(answer) if answer.err().is_conditional_check_failed_exception() => {
            let PutItemError::ConditionalCheckFailedException(failed) = answer.into_err() else {
                return TableError::ConditionFailed { current: None };
            };
            match failed.item.map(|item| item_from(table, item)).transpose() {
                Ok(current) => TableError::ConditionFailed { current: current.map(Box::new) },
                Err(error) => error,
            }
        }
        SdkError::ServiceError(answer) if answer.err().is_transaction_conflict_exception() => {
            TableError::Conflict
        }
        error => plain(table, error),
    }
}

/// The error of `TransactWriteItems`.
pub(super) fn transact(
    table: TableName,
    error: SdkError<TransactWriteItemsError, HttpResponse>,
) -> TableError {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => TableError::Conflict,
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            match by_reasons(cancelled.cancellation_reasons()) {
                Cancelled::Condition => TableError::ConditionFailed { current: None },
                Cancelled::Conflict => TableError::Conflict,
                Cancelled::Defect => TableError::Invalid { table, source: error.into() },
                Cancelled::Other => TableError::Unavailable { table, source: error.into() },
            }
        }
        _ => plain(table, error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Cancelled {
    Condition,
    Conflict,
    Defect,
    /// Throttling, for the most part.
    Other,
}

/// What cancelled a transaction, by the reasons of its actions. A condition that fails says most: the other
/// reasons may be gone the next time, and it will not.
fn by_reasons(reasons: &[CancellationReason]) -> Cancelled {
    let has = |wanted: &[&str]| {
        reasons.iter().filter_map(CancellationReason::code).any(|code| wanted.contains(&code))
    };
    if has(&DEFECTIVE_ACTIONS) {
        Cancelled::Defect
    } else if has(&["ConditionalCheckFailed"]) {
        Cancelled::Condition
    } else if has(&["TransactionConflict"]) {
        Cancelled::Conflict
    } else {
        Cancelled::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_transaction_is_judged_by_its_most_telling_reason() {
        let judge = |codes: &[&str]| {
            let reason = |code: &&str| CancellationReason::builder().code(*code).build();
            by_reasons(&codes.iter().map(reason).collect::<Vec<_>>())
        };
        assert_eq!(judge(&["None", "ConditionalCheckFailed", "TransactionConflict"]), Cancelled::Condition);
        assert_eq!(judge(&["TransactionConflict", "None"]), Cancelled::Conflict);
        assert_eq!(judge(&["ThrottlingError", "None"]), Cancelled::Other);
        assert_eq!(judge(&["ProvisionedThroughputExceeded", "TransactionConflict"]), Cancelled::Conflict);
        assert_eq!(judge(&["ValidationError", "None"]), Cancelled::Defect);
        assert_eq!(judge(&[]), Cancelled::Other);
    }
}
