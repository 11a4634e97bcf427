//! Which answers mean that the receiver has the event.

use postrider_domain::FieldProblem;
use serde_json::Value;

use crate::fields::Fields;

/// The most entries.
const MAX_CODES: usize = 50;

/// The field `success_codes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::webhook) struct SuccessCodes {
    /// Every code from 200 to 299.
    class_2xx: bool,
    /// Codes that are listed one by one.
    codes: Vec<u16>,
}

impl SuccessCodes {
    /// Whether an answer with this status is a success.
    pub(in crate::webhook) fn contain(&self, status: u16) -> bool {
        (self.class_2xx && (200..300).contains(&status)) || self.codes.contains(&status)
    }

    pub(super) fn read(fields: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Self {
        let Some(entries) = fields.list("success_codes", MAX_CODES, problems) else {
            return Self { class_2xx: true, codes: Vec::new() };
        };
        if entries.is_empty() {
            problems.push(fields.problem("success_codes", "must not be empty"));
        }
        let mut read = Self { class_2xx: false, codes: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            match read_code(entry) {
                Ok(Some(code)) => read.codes.push(code),
                Ok(None) => read.class_2xx = true,
                Err(message) => problems.push(fields.problem(&format!("success_codes[{index}]"), message)),
            }
        }
        read
    }
}

/// A code, or `None` for the whole class 2xx.
fn read_code(entry: &Value) -> Result<Option<u16>, &'static str> {
    if entry.as_str() == Some("2xx") {
        return Ok(None);
    }
    match entry.as_u64().and_then(|code| u16::try_from(code).ok()) {
        Some(300..=399) => Err("a redirect is never a success; set url to the final address"),
        Some(410) => Err("410 means that the receiver wants nothing more"),
        Some(500..=599) => Err("5xx means that the receiver has failed, and is tried again"),
        Some(code @ (200..=299 | 400..=499)) => Ok(Some(code)),
        _ => Err("must be a number from 200 to 299 or from 400 to 499, or \"2xx\""),
    }
}
