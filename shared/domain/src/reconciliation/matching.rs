//! What fan-out has said of an event's endpoints, part by part, put together.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::{EndpointId, Timestamp};

/// A part of an event's endpoints for which fan-out set out to make deliveries, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MatchedPart {
    /// The part is about endpoints after this one.
    pub after: Option<EndpointId>,
    /// Those that matched, the last of which ends the part.
    pub endpoints: Vec<EndpointId>,
    /// Whether there are endpoints after these; otherwise the part reaches to the end.
    pub goes_on: bool,
    /// Whether the event was published, or sent to fan-out, again.
    pub is_repeated: bool,
    /// When.
    pub at: Timestamp,
}

impl MatchedPart {
    fn covers(&self, endpoint: EndpointId) -> bool {
        let is_before_its_end = !self.goes_on || self.endpoints.last().is_some_and(|last| endpoint <= *last);
        is_before_its_end && self.after.is_none_or(|after| endpoint > after)
    }
}

/// All that is known of the endpoints of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    /// Those that matched at any time.
    pub endpoints: BTreeSet<EndpointId>,
    /// Those of them for which there has to be a delivery.
    pub required: BTreeSet<EndpointId>,
    /// Whether fan-out got to the end.
    pub is_complete: bool,
}

impl Matched {
    /// Puts parts together. An event may have been matched several times, and in parts of other sizes each time,
    /// because endpoints came or went in between.
    ///
    /// A message comes to fan-out again when not all deliveries could be made. So what it said then of the same
    /// endpoints holds, and what it had said before does not. An event that is sent again gets no fewer deliveries.
    pub fn of(mut parts: Vec<MatchedPart>) -> Self {
        parts.sort_by_key(|part| part.after);
        let (mut reached, mut is_complete) = (None, false);
        for part in &parts {
            if part.after <= reached {
                is_complete |= !part.goes_on;
                reached = reached.max(part.endpoints.last().copied());
            }
        }
        parts.sort_by_key(|part| Reverse(part.at));
        let mut required = BTreeSet::new();
        for (index, part) in parts.iter().enumerate() {
            let is_superseded = |endpoint: EndpointId| {
                let mut later = parts[..index].iter();
                later.any(|later| later.is_repeated == part.is_repeated && later.covers(endpoint))
            };
            required.extend(part.endpoints.iter().filter(|endpoint| !is_superseded(**endpoint)));
        }
        let endpoints = parts.into_iter().flat_map(|part| part.endpoints).collect();
        Self { endpoints, required, is_complete }
    }
}
