//! Events as they are published together: each is read, accepted or rejected by itself.

use std::fmt;

use postrider_application::ingest::Accepted;
use postrider_domain::{EventId, FieldProblem, Timestamp};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Findings, Shown};
use crate::problem::Problem;

/// The most events in one batch.
pub(crate) const MAX_BATCH: usize = 100;

/// Several events to be published, each still unread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchInput<'a> {
    #[serde(borrow, default)]
    events: Option<RawList<'a>>,
}

impl<'a> BatchInput<'a> {
    pub(crate) fn events(self) -> Result<Vec<&'a RawValue>, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let list = findings.required("events", self.events);
        if list.as_ref().is_some_and(|list| list.more || list.items.is_empty()) {
            findings.add("events", format!("1 to {MAX_BATCH} events"));
        }
        findings.finish(list.map(|list| list.items))
    }
}

/// The first elements of a list, and whether there are more: however long the list is, it takes no memory.
struct RawList<'a> {
    items: Vec<&'a RawValue>,
    more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = RawList<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_BATCH {
                    match list.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(RawList { items, more: false }),
                    }
                }
                let mut more = false;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    more = true;
                }
                Ok(RawList { items, more })
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}

/// What a batch came to.
#[derive(Serialize)]
pub(crate) struct BatchBody {
    pub(crate) items: Vec<BatchItem>,
}

/// What became of one event of a batch.
#[derive(Serialize)]
pub(crate) struct BatchItem {
    index: usize,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Shown<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<Shown<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl BatchItem {
    pub(crate) fn new(index: usize, result: Result<Accepted, Problem>) -> Self {
        let rejected = Self {
            index,
            status: "rejected",
            event_id: None,
            duplicate: None,
            accepted_at: None,
            problem: None,
        };
        match result {
            Err(problem) => Self { problem: Some(problem), ..rejected },
            Ok(accepted) => Self {
                status: "accepted",
                event_id: Some(Shown(accepted.event_id)),
                duplicate: Some(accepted.duplicate),
                accepted_at: Some(Shown(accepted.accepted_at)),
                ..rejected
            },
        }
    }
}
