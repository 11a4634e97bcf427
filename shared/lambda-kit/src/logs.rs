//! Logs as JSON lines, one object for each, which CloudWatch Logs Insights reads field by field.

use tracing_subscriber::EnvFilter;

use crate::environment::{ConfigError, Environment};

/// The variable that says what is logged.
const LEVEL: &str = "POSTRIDER_LOG";

/// Begins to log to standard output. `POSTRIDER_LOG`, default `info`, says what: a level, or directives such as
/// `info,postrider_outbound=debug`. Times are left out, because CloudWatch keeps one for each line.
///
/// # Errors
/// When the variable cannot be read.
pub(crate) fn begin(environment: &Environment) -> Result<(), ConfigError> {
    let directives = environment.optional(LEVEL).unwrap_or("info");
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| ConfigError::Wrong { name: LEVEL.to_owned(), reason: error.to_string() })?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_ansi(false)
        .without_time()
        .init();
    Ok(())
}
