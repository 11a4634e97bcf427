//! The id of an organisation, chosen by the operator.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::IdError;

/// A tenant's id: lower-case letters, digits, `-` and `_`, starting with a letter or digit, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&TenantId> for Arc<str> {
    /// The id's text, without a copy.
    fn from(id: &TenantId) -> Self {
        Self::clone(&id.0)
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_')
            && text.bytes().next().is_some_and(plain);
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(IdError {
                expected: "a tenant id has 1 to 64 lower-case letters, digits, '-' or '_' and starts with a letter or digit",
            })
        }
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
