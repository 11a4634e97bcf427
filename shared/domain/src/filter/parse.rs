//! Reads and checks a filter's text: its members, combinators and limits. Every refusal names the member
//! at fault and what to write instead.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{FilterError, join};
use super::operators::{OPERATORS, read_literal, read_test};
use super::rule::{Group, Rule, Test};

const MAX_TEXT_BYTES: usize = 8 * 1024;
const MAX_NESTING: usize = 8;
const MAX_CONDITIONS: usize = 64;
const MAX_PATH_SEGMENTS: usize = 32;

pub(super) type Result<T> = std::result::Result<T, FilterError>;

/// The distinct paths of a filter and its rules, which refer to them.
pub(super) fn parse(text: &str) -> Result<(Vec<String>, Group)> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!(
            "the filter has {} bytes and at most {MAX_TEXT_BYTES} are allowed; shorten it, or split it \
             over several subscriptions",
            text.len()
        );
        return Err(FilterError::new("", message));
    }
    let json: &RawValue = serde_json::from_str(text)
        .map_err(|error| FilterError::new("", format!("the filter is not valid JSON: {error}")))?;
    let mut parser = Parser::default();
    let rules = parser.group(json, "", 0)?;
    Ok((parser.paths, rules))
}

#[derive(Default)]
struct Parser {
    paths: Vec<String>,
    conditions: usize,
}

impl Parser {
    /// Reads a filter that lies inside `nesting` combinators.
    fn group(&mut self, json: &RawValue, path: &str, nesting: usize) -> Result<Group> {
        let Some(members) = read_members(json, path)? else {
            let message =
                "a filter is an object of fields and conditions, such as {\"amount\": {\"gt\": 100}}";
            return Err(FilterError::new(path, message));
        };
        let mut rules = Vec::new();
        for (name, value) in members {
            let path = join(path, &name);
            rules.push(match name.as_str() {
                "and" => Rule::And(self.groups(value, &path, nesting + 1)?),
                "or" => Rule::Or(self.groups(value, &path, nesting + 1)?),
                "not" => {
                    check_nesting(&path, nesting + 1)?;
                    Rule::Not(self.group(value, &path, nesting + 1)?)
                }
                _ => self.field(name, value, &path)?,
            });
        }
        Ok(Group(rules))
    }

    fn groups(&mut self, json: &RawValue, path: &str, nesting: usize) -> Result<Vec<Group>> {
        check_nesting(path, nesting)?;
        let groups: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
        if groups.is_empty() {
            let message = "takes a list of at least one filter, such as [{\"region\": \"US\"}, {\"amount\": \
                           {\"gt\": 100}}]; a top-level field of this name cannot be addressed";
            return Err(FilterError::new(path, message));
        }
        let read = |(index, json)| self.group(json, &format!("{path}[{index}]"), nesting);
        groups.into_iter().enumerate().map(read).collect()
    }

    fn field(&mut self, name: String, json: &RawValue, path: &str) -> Result<Rule> {
        if name.is_empty() {
            return Err(FilterError::new(path, "a field's name is empty; write its path, such as user.name"));
        }
        let segments = name.split('.').count();
        if segments > MAX_PATH_SEGMENTS {
            let message = format!(
                "the path has {segments} segments and at most {MAX_PATH_SEGMENTS} are allowed; test a \
                 field nearer to the top"
            );
            return Err(FilterError::new(path, message));
        }
        let tests = match read_members(json, path)? {
            None => {
                self.count_condition(path)?;
                vec![Test::Eq(read_literal(json, path)?)]
            }
            Some(members) if members.is_empty() => {
                let message = format!("has no operator; write one of {OPERATORS}");
                return Err(FilterError::new(path, message));
            }
            Some(members) => members
                .into_iter()
                .map(|(operator, operand)| {
                    let path = join(path, &operator);
                    self.count_condition(&path)?;
                    read_test(&operator, operand, &path)
                })
                .collect::<Result<_>>()?,
        };
        let path = self.paths.iter().position(|path| *path == name).unwrap_or_else(|| {
            self.paths.push(name);
            self.paths.len() - 1
        });
        Ok(Rule::Field { path, tests })
    }

    fn count_condition(&mut self, path: &str) -> Result<()> {
        self.conditions += 1;
        if self.conditions <= MAX_CONDITIONS {
            return Ok(());
        }
        let message = format!(
            "the filter has more than {MAX_CONDITIONS} conditions; list values with in, or split the \
             filter over several subscriptions"
        );
        Err(FilterError::new(path, message))
    }
}

fn check_nesting(path: &str, nesting: usize) -> Result<()> {
    if nesting <= MAX_NESTING {
        return Ok(());
    }
    let message = format!("and, or and not are nested more than {MAX_NESTING} deep; flatten the filter");
    Err(FilterError::new(path, message))
}

/// The members of an object in their order, each name once; `None` when the text is not an object.
fn read_members<'t>(json: &'t RawValue, path: &str) -> Result<Option<Vec<(String, &'t RawValue)>>> {
    if !json.get().starts_with('{') {
        return Ok(None);
    }
    let members = serde_json::Deserializer::from_str(json.get())
        .deserialize_map(MembersVisitor)
        .map_err(|error| FilterError::new(path, format!("a name in this object cannot be read: {error}")))?;
    let mut names = HashSet::new();
    match members.iter().find(|(name, _)| !names.insert(name.as_str())) {
        Some((name, _)) => {
            let message = "is given twice; put all the operators of a field into one object, or use and";
            Err(FilterError::new(&join(path, name), message))
        }
        None => Ok(Some(members)),
    }
}

struct MembersVisitor;

impl<'t> Visitor<'t> for MembersVisitor {
    type Value = Vec<(String, &'t RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> std::result::Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
