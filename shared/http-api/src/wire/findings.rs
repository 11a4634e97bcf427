//! Collects what is wrong with the values of a request, so that all of it is answered at once.

use std::fmt::Display;
use std::time::Duration;

use postrider_domain::FieldProblem;

use super::Number;

/// What is wrong with a request so far.
#[derive(Default)]
pub(crate) struct Findings(Vec<FieldProblem>);

impl Findings {
    pub(crate) fn add(&mut self, field: impl Into<String>, message: impl Display) {
        self.0.push(FieldProblem::new(field, message));
    }

    /// The value of a field that has to be there.
    pub(crate) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "is required");
        }
        value
    }

    /// The value of a field, read by `reader`.
    pub(crate) fn read<T, E: Display>(
        &mut self,
        field: &str,
        text: Option<&str>,
        reader: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        reader(text?).map_err(|error| self.add(field, error)).ok()
    }

    /// The value of a field that is a time in seconds, to the millisecond.
    pub(crate) fn seconds(&mut self, field: &str, number: Number) -> Option<Duration> {
        let duration = number.as_duration();
        if duration.is_none() {
            self.add(field, "a number of seconds, 0 or more");
        }
        duration
    }

    /// The value of a field that is a whole number.
    pub(crate) fn whole(&mut self, field: &str, number: Number) -> Option<u32> {
        let whole = number.as_whole();
        if whole.is_none() {
            self.add(field, "a whole number, 0 or more");
        }
        whole
    }

    /// Checks the name of something.
    pub(crate) fn name(&mut self, name: &str) {
        if !(1..=128).contains(&name.len()) {
            self.add("name", "1 to 128 bytes");
        }
    }

    /// The value that was read, if nothing is wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldProblem>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
