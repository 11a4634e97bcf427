//! Which requests were repeated, and whether a kill explains each.
//!
//! A request may come a second time only if it was in flight at a kill: if it had arrived at the receiver
//! before the kill, and was not answered yet, or so shortly before that the server cannot have put the answer
//! on record. Between the answer and its record lie the server's reading of it and a sync of its disk: a few
//! milliseconds, or a second in which nothing moves when the disk is busy with something else. So what counts
//! is not the time but whether the server got on: once another event was published after the answer and has
//! arrived, the answer is on record, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postrider_tests::{Recorded, wait};

use crate::publishers::Published;

/// How long the server may take to read an answer, on a processor that is busy with the test.
const READING: Duration = Duration::from_millis(250);

/// The time within which a server was killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

/// What a receiver's requests come to.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Events that were answered with success.
    pub(crate) delivered: HashMap<String, Arc<Recorded>>,
    /// Requests that came although the one before was answered with success, or was broken off by a kill.
    pub(crate) repeated: usize,
    /// Of all requests that were repeated, the longest time between the answer and the kill.
    pub(crate) longest: Duration,
}

/// Checks every repetition.
pub(crate) fn explain(requests: Vec<Arc<Recorded>>, published: &[Published], kills: &[Kill]) -> Repeats {
    let progress = Progress::new(&requests, published);
    let mut repeats = Repeats::default();
    let mut unexplained = Vec::new();
    let mut before: HashMap<String, Arc<Recorded>> = HashMap::new();
    for request in requests {
        let id = request.webhook_id().to_owned();
        if request.answer_status() == Some(200) {
            repeats.delivered.insert(id.clone(), Arc::clone(&request));
        }
        let Some(earlier) = before.insert(id, Arc::clone(&request)) else { continue };
        if earlier.answer_status() == Some(500) {
            continue;
        }
        repeats.repeated += 1;
        match kills.iter().filter_map(|kill| in_flight(&earlier, &request, *kill, &progress)).min() {
            Some(unrecorded) => repeats.longest = repeats.longest.max(unrecorded),
            None => unexplained.push(describe(&earlier, &request, kills)),
        }
    }
    let Repeats { repeated, longest, .. } = &repeats;
    assert!(
        unexplained.is_empty(),
        "{} of {repeated} requests were repeated without need (the others were answered at most {longest:.0?} \
         before their kill):\n{}",
        unexplained.len(),
        unexplained[..unexplained.len().min(5)].join("\n"),
    );
    repeats
}

/// Events that were published once, as far as they got: when, and when they arrived first.
struct Progress(Vec<(Instant, Instant)>);

impl Progress {
    fn new(requests: &[Arc<Recorded>], published: &[Published]) -> Self {
        let mut arrived = HashMap::new();
        for request in requests {
            arrived.entry(request.webhook_id()).or_insert(request.arrived);
        }
        let once = published.iter().filter(|event| event.tries == 1);
        Self(once.filter_map(|event| Some((event.begun, *arrived.get(&*event.id)?))).collect())
    }

    /// Whether the server took an event from its publisher to the receiver between two moments.
    fn between(&self, begin: Instant, end: Instant) -> bool {
        self.0.iter().any(|(published, arrived)| *published >= begin && *arrived <= end)
    }
}

/// Whether a request was in flight at a kill and repeated after it: the time from its answer to the kill.
fn in_flight(earlier: &Recorded, later: &Recorded, kill: Kill, progress: &Progress) -> Option<Duration> {
    if earlier.arrived > kill.ended || later.arrived < kill.begun {
        return None;
    }
    let Some(answered) = earlier.answered() else { return Some(Duration::ZERO) };
    let recorded = progress.between(answered + wait::deadline(READING), kill.begun);
    (!recorded).then(|| kill.begun.saturating_duration_since(answered))
}

/// When a request came, was answered and was repeated, from the first kill after it came, in milliseconds.
fn describe(earlier: &Recorded, later: &Recorded, kills: &[Kill]) -> String {
    let next = kills.iter().position(|kill| kill.begun > earlier.arrived);
    let origin = next.map_or(later.arrived, |next| kills[next].begun);
    let millis = |at: Instant| match at.checked_duration_since(origin) {
        Some(after) => format!("+{}", after.as_millis()),
        None => format!("-{}", origin.duration_since(at).as_millis()),
    };
    let answered = earlier.answered().map_or("never".to_owned(), millis);
    format!(
        "{} to {}: arrived {}, answered {answered}, repeated {}; counted from kill {next:?}",
        earlier.webhook_id(),
        earlier.path,
        millis(earlier.arrived),
        millis(later.arrived),
    )
}
