//! Logs as JSON lines, one object for each, which CloudWatch Logs Insights reads field by field.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
    let wrong = |reason: String| ConfigError::Wrong { name: LEVEL.to_owned(), reason };
    let filter: Targets = directives.parse().map_err(|error| wrong(format!("{error}")))?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_ansi(false)
        .without_time();
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}
