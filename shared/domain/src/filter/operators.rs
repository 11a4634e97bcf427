//! Reads the operators of a filter's conditions, each with the operand that it takes.

use serde_json::value::RawValue;

use super::error::{FilterError, clip};
use super::parse::Result;
use super::rule::{Literal, Order, Test};
use super::value::Scalar;

/// The operators as messages list them.
pub(super) const OPERATORS: &str = "eq, ne, gt, gte, lt, lte, in, nin, exists, prefix, suffix, contains";

const MAX_LIST_VALUES: usize = 256;

/// Reads one operator of a field's conditions with its operand; `path` ends in the operator.
pub(super) fn read_test(operator: &str, json: &RawValue, path: &str) -> Result<Test> {
    Ok(match operator {
        "eq" => Test::Eq(read_literal(json, path)?),
        "ne" => Test::Ne(read_literal(json, path)?),
        "gt" => Test::Order(Order::Greater, read_limit(json, path)?),
        "gte" => Test::Order(Order::GreaterOrEqual, read_limit(json, path)?),
        "lt" => Test::Order(Order::Less, read_limit(json, path)?),
        "lte" => Test::Order(Order::LessOrEqual, read_limit(json, path)?),
        "in" => Test::In(read_list(json, path)?),
        "nin" => Test::NotIn(read_list(json, path)?),
        "exists" => match json.get() {
            "true" => Test::Exists(true),
            "false" => Test::Exists(false),
            _ => return Err(FilterError::new(path, "takes true (present) or false (missing)")),
        },
        "prefix" => Test::Prefix(read_text(json, path)?),
        "suffix" => Test::Suffix(read_text(json, path)?),
        "contains" => Test::Contains(read_literal(json, path)?),
        _ => {
            let message = format!(
                "{} is not an operator; the operators are {OPERATORS}. A field inside an object is written \
                 as one dotted name, such as \"user.name\"",
                clip(operator)
            );
            return Err(FilterError::new(path, message));
        }
    })
}

/// Reads a value that can be compared: a string, number, boolean or null.
pub(super) fn read_literal(json: &RawValue, path: &str) -> Result<Literal> {
    let source = json.get();
    let message = match (source.as_bytes().first(), Scalar::read(source)) {
        (_, Some(value)) if value.as_text().is_none_or(|text| str::from_utf8(text).is_ok()) => {
            return Ok(Literal::new(value.into_owned(), source));
        }
        (_, Some(_)) => "the string has half of a \\u surrogate pair; write both halves, or the character",
        (Some(b'['), _) => {
            "a list cannot be compared; write {\"in\": [...]} for one of several values, or {\"contains\": \
             value} for an element of the event's list"
        }
        _ => {
            "an object cannot be compared; name the field inside it with a dotted path, such as \"user.name\""
        }
    };
    Err(FilterError::new(path, message))
}

/// Reads a value that has an order.
fn read_limit(json: &RawValue, path: &str) -> Result<Literal> {
    let literal = read_literal(json, path)?;
    match literal.value {
        Scalar::Number(_) | Scalar::Text(_) => Ok(literal),
        _ => Err(FilterError::new(path, format!("takes a number or a string, not {}", literal.shown))),
    }
}

fn read_text(json: &RawValue, path: &str) -> Result<Literal> {
    let literal = read_literal(json, path)?;
    match literal.value {
        Scalar::Text(_) => Ok(literal),
        _ => Err(FilterError::new(path, format!("takes a string, not {}", literal.shown))),
    }
}

fn read_list(json: &RawValue, path: &str) -> Result<Vec<Literal>> {
    let values: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
    if values.is_empty() {
        let message = "takes a list of at least one value, such as [\"a\", \"b\"]";
        return Err(FilterError::new(path, message));
    }
    if values.len() > MAX_LIST_VALUES {
        let message = format!(
            "the list has {} values and at most {MAX_LIST_VALUES} are allowed; split it over several \
             members of an or (for nin, of an and)",
            values.len()
        );
        return Err(FilterError::new(path, message));
    }
    values
        .into_iter()
        .enumerate()
        .map(|(index, json)| read_literal(json, &format!("{path}[{index}]")))
        .collect()
}
