//! A function's configuration: environment variables, read once at the start.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// A variable is missing or wrong. The function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("the environment variable {0} is not set")]
    Missing(String),
    /// It is set to something that cannot be used.
    #[error("the environment variable {name} is wrong: {reason}")]
    Wrong {
        /// Which variable.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The variables of this process.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// What the process was started with.
    pub fn of_process() -> Self {
        std::env::vars().collect()
    }

    /// A variable that has to be there.
    ///
    /// # Errors
    /// When it is not set, or empty.
    pub fn required(&self, name: &str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or_else(|| ConfigError::Missing(name.to_owned()))
    }

    /// A variable that may be missing. Empty is the same as missing.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A number, or anything else that is read from a text; `None` when the variable is missing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let wrong = |error: T::Err| ConfigError::Wrong { name: name.to_owned(), reason: error.to_string() };
        self.optional(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// A list, separated by commas; nothing when the variable is missing.
    ///
    /// # Errors
    /// When one of the list cannot be read.
    pub fn list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Vec<T>, ConfigError> {
        let parts = self.optional(name).unwrap_or_default().split(',').map(str::trim);
        let parsed = parts.filter(|part| !part.is_empty()).map(|part| {
            part.parse().map_err(|error| ConfigError::Wrong {
                name: name.to_owned(),
                reason: format!("{part:?}: {error}"),
            })
        });
        parsed.collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;

    fn environment(name: &str, value: &str) -> Environment {
        [(name.to_owned(), value.to_owned())].into_iter().collect()
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let missing = environment("A", "").required("A").unwrap_err();
        assert_eq!(missing.to_string(), "the environment variable A is not set");
        let wrong = environment("CIDRS", "10.0.0.0/8, nonsense").list::<IpNet>("CIDRS").unwrap_err();
        assert!(wrong.to_string().starts_with("the environment variable CIDRS is wrong: \"nonsense\""));
    }

    #[test]
    fn lists_are_read_and_may_be_missing() {
        let networks = environment("CIDRS", "10.0.0.0/8, ::1/128,").list::<IpNet>("CIDRS").unwrap();
        assert_eq!(networks.len(), 2);
        assert_eq!(Environment::default().list::<IpNet>("CIDRS").unwrap(), []);
    }
}
