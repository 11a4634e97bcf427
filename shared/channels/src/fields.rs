//! Reads a configuration field by field and collects everything that is wrong with it, so that a user can
//! put it right in one go. Messages never repeat a value, which may be a credential.

use postrider_application::ports::channel::MASK;
use postrider_domain::FieldProblem;
use secrecy::SecretString;
use serde_json::{Map, Value};

/// An object of a configuration, and where it is.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Fields<'a> {
    /// The object at `path`, which is empty for the configuration itself. Reports what is no object.
    pub(crate) fn of(value: &'a Value, path: &'a str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let object = value.as_object();
        if object.is_none() {
            problems.push(FieldProblem::new(path, "must be an object"));
        }
        Some(Self { object: object?, path })
    }

    /// The path of a field.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// What is wrong with a field.
    pub(crate) fn problem(&self, name: &str, message: impl std::fmt::Display) -> FieldProblem {
        FieldProblem::new(self.path(name), message)
    }

    /// Reports every field that is not one of these.
    pub(crate) fn only(&self, known: &[&str], problems: &mut Vec<FieldProblem>) {
        let unknown = self.object.keys().filter(|name| !known.contains(&name.as_str()));
        problems.extend(unknown.map(|name| {
            self.problem(
                name,
                format!("unknown field, which null removes; the fields are {}", known.join(", ")),
            )
        }));
    }

    /// A field's value; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A text that may be absent. Reports what is no text.
    pub(crate) fn text(&self, name: &str, problems: &mut Vec<FieldProblem>) -> Option<&'a str> {
        let value = self.get(name)?;
        if !value.is_string() {
            problems.push(self.problem(name, "must be a string"));
        }
        value.as_str()
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str, problems: &mut Vec<FieldProblem>) -> Option<&'a str> {
        self.require(name, problems);
        self.text(name, problems)
    }

    /// A credential of 1 to `limit` bytes, which must be there.
    pub(crate) fn credential(
        &self,
        name: &str,
        limit: usize,
        problems: &mut Vec<FieldProblem>,
    ) -> Option<SecretString> {
        let text = self.required_text(name, problems)?;
        self.refuse_mask(name, text, problems);
        if !(1..=limit).contains(&text.len()) {
            problems.push(self.problem(name, format!("must be 1 to {limit} bytes long")));
        }
        Some(text.into())
    }

    fn require(&self, name: &str, problems: &mut Vec<FieldProblem>) {
        if self.get(name).is_none() {
            problems.push(self.problem(name, "is required"));
        }
    }

    /// Reports a text that stands for a credential that was stored before: nothing was stored under it.
    pub(crate) fn refuse_mask(&self, name: &str, text: &str, problems: &mut Vec<FieldProblem>) {
        if text == MASK {
            problems.push(
                self.problem(name, format!("{MASK} stands for a stored credential, but there is none")),
            );
        }
    }

    /// One of a few words; `None` when the field is absent or wrong.
    pub(crate) fn choice<T: Clone>(
        &self,
        name: &str,
        choices: &[(&str, T)],
        problems: &mut Vec<FieldProblem>,
    ) -> Option<T> {
        let text = self.text(name, problems)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| choice.clone());
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            problems.push(self.problem(name, format!("must be one of {}", words.join(", "))));
        }
        chosen
    }

    /// One of a few words, which must be there.
    pub(crate) fn required_choice<T: Clone>(
        &self,
        name: &str,
        choices: &[(&str, T)],
        problems: &mut Vec<FieldProblem>,
    ) -> Option<T> {
        self.require(name, problems);
        self.choice(name, choices, problems)
    }

    /// A list of up to `limit` values; `None` when the field is absent or wrong.
    pub(crate) fn list(
        &self,
        name: &str,
        limit: usize,
        problems: &mut Vec<FieldProblem>,
    ) -> Option<&'a [Value]> {
        let value = self.get(name)?;
        let list = value.as_array().filter(|values| values.len() <= limit);
        if list.is_none() {
            problems.push(self.problem(name, format!("must be a list of at most {limit} entries")));
        }
        list.map(Vec::as_slice)
    }
}
