//! What of the benchmark is to be run.

use crate::load::Shape;
use crate::process::Storage;

/// What the arguments name; of a kind of which they name nothing, everything.
pub(crate) struct Selection(Vec<String>);

impl Selection {
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let is_known = |word: &str| KINDS.iter().any(|kind| kind.contains(&word));
        let unknown = arguments.iter().find(|word| !is_known(word));
        assert!(unknown.is_none(), "{unknown:?} is none of {KINDS:?}");
        Self(arguments)
    }

    fn chooses(&self, kind: &[&str], word: &str) -> bool {
        let names = |word: &str| self.0.iter().any(|argument| argument == word);
        names(word) || !kind.iter().any(|word| names(word))
    }

    pub(crate) fn storages(&self) -> Vec<Storage> {
        let all = [("memory", Storage::Memory), ("file", Storage::File)];
        all.into_iter().filter(|(word, _)| self.chooses(KINDS[0], word)).map(|(_, storage)| storage).collect()
    }

    /// The ways to publish of which the throughput is measured.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        let all = [("single", Shape::Single), ("batch", Shape::Batch), ("ten", Shape::TenEndpoints)];
        all.into_iter().filter(|(word, _)| self.chooses(KINDS[1], word)).map(|(_, shape)| shape).collect()
    }

    /// The storages with which a part is run.
    pub(crate) fn storages_of(&self, part: &str) -> Vec<Storage> {
        if self.chooses(KINDS[1], part) { self.storages() } else { Vec::new() }
    }
}

/// The words that can be given, by kind.
const KINDS: [&[&str]; 2] = [&["memory", "file"], &["single", "batch", "ten", "latency", "fairness"]];
