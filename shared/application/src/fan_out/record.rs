//! The record of which deliveries there should be, which tells later whether any is missing.

use postrider_domain::Timestamp;
use postrider_domain::reconciliation::MatchedPart;

use super::{FanOut, FanOutError, Part};
use crate::stores::manifests::Entry;

impl FanOut {
    /// Puts on record which endpoints the parts are for. Answers the failures by part.
    ///
    /// It is written while the deliveries are, because nobody should wait for it. When not all of them can be made, or
    /// this fails, the message comes again, and what is put on record then takes the place of this.
    pub(super) async fn record(&self, parts: &[Part]) -> Vec<(usize, FanOutError)> {
        let now = self.clock.now();
        let entries = parts.iter().map(|part| Entry { event: &part.event, part: matched(part, now) });
        let entries: Vec<_> = entries.collect();
        let recorded = self.manifests.record(&entries, now).await.into_iter().enumerate();
        recorded.filter_map(|(index, result)| Some((index, FanOutError::Manifest(result.err()?)))).collect()
    }
}

fn matched(part: &Part, at: Timestamp) -> MatchedPart {
    MatchedPart {
        after: part.after,
        endpoints: part.targets.iter().map(|(endpoint, _)| *endpoint).collect(),
        goes_on: part.goes_on,
        is_repeated: part.message.repeated,
        at,
    }
}
