//! An event in the JSON of `POST /v1/events`, for those who get it by another way than HTTP.

use postrider_application::ingest::Publication;

use crate::json::read;
use crate::problem::Problem;
use crate::wire::publish::EventInput;

/// The text is not an event that could be published. Names the fields at fault, and nothing of their values.
#[derive(Debug, thiserror::Error)]
#[error("the event cannot be published: {0}")]
pub struct InvalidPublication(String);

impl From<Problem> for InvalidPublication {
    fn from(problem: Problem) -> Self {
        Self(problem.to_string())
    }
}

/// Reads an event as `POST /v1/events` does.
///
/// # Errors
/// When it would be answered with a problem there.
pub fn read_publication(text: &str) -> Result<Publication, InvalidPublication> {
    let event = read::<EventInput<'_>>(text.as_bytes())?;
    Ok(event.publication().map_err(Problem::from)?)
}
