//! What the log's files hold that still matters.
//!
//! Messages are mostly dealt with in the order in which they came, so that the oldest file is soon empty, and is put
//! away. Some stay for long: delayed ones, those of slow receivers. So that they do not keep every file since,
//! they are *carried over*: written once more, some with each commit, as long as the files have more than twice the
//! room that the messages need.

use std::collections::{BTreeMap, HashMap};

use postrider_application::ports::QueueName;

use super::super::state::{Message, Touch};
use super::record::{self, LogEntry};
use crate::write_log::{FILE_BYTES, Frame};

/// How many files there may be whatever the messages need.
const FILES: u64 = 3;

/// How many bytes of messages one commit carries over, about.
const CARRIED_BYTES: usize = 128 * 1024;

/// The messages that were not removed, and the files in which they are.
#[derive(Default)]
pub(super) struct Contents {
    messages: HashMap<u64, Kept>,
    files: BTreeMap<u64, FileContents>,
    /// About how many bytes the messages take.
    bytes: u64,
}

struct Kept {
    /// The number of the file that says last that it was sent.
    file: u64,
    queue: QueueName,
    message: Message,
}

#[derive(Default)]
struct FileContents {
    /// The messages that were written there, some of which are gone or were carried over since.
    ids: Vec<u64>,
    /// How many of them are still there.
    count: usize,
}

impl Contents {
    /// A file is there.
    pub(super) fn begin(&mut self, file: u64) {
        self.files.entry(file).or_default();
    }

    /// What is kept, in the order in which it was sent.
    pub(super) fn messages(&self) -> Vec<(QueueName, Message)> {
        let mut messages: Vec<_> =
            self.messages.values().map(|kept| (kept.queue, kept.message.clone())).collect();
        messages.sort_unstable_by_key(|(_, message)| message.id);
        messages
    }

    /// A file says this. What is said of messages that are not there is about some that are gone.
    pub(super) fn apply(&mut self, file: u64, entry: &LogEntry) {
        match entry {
            LogEntry::Sent(queue, message) => {
                self.remove(message.id);
                self.bytes += size(message);
                self.entered(file, message.id);
                self.messages.insert(message.id, Kept { file, queue: *queue, message: message.clone() });
            }
            LogEntry::Touched(Touch { id, visible_at, receive_count }) => {
                if let Some(Kept { message, .. }) = self.messages.get_mut(id) {
                    (message.visible_at, message.receive_count) = (*visible_at, *receive_count);
                }
            }
            LogEntry::Moved { id, to } => {
                if let Some(Kept { queue, message, .. }) = self.messages.get_mut(id) {
                    (*queue, message.receive_count) = (*to, 0);
                }
            }
            LogEntry::Removed(id) => self.remove(*id),
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(Kept { file, message, .. }) = self.messages.remove(&id) else { return };
        self.bytes -= size(&message);
        self.left(file);
    }

    /// A message is in a file.
    fn entered(&mut self, file: u64, id: u64) {
        let there = self.files.entry(file).or_default();
        there.ids.push(id);
        there.count += 1;
    }

    /// A message is no longer in a file.
    fn left(&mut self, file: u64) {
        if let Some(file) = self.files.get_mut(&file) {
            file.count -= 1;
        }
    }

    /// Writes some of the oldest file's messages once more, if the files before `current` take too much room.
    /// Answers their ids; nothing is different before that is [known to be written](Self::carried).
    pub(super) fn carry(&mut self, current: u64, frame: &mut Frame) -> Vec<u64> {
        let mut carried = Vec::new();
        let allowed = FILES + 2 * self.bytes / FILE_BYTES;
        if self.files.len() as u64 <= allowed {
            return carried;
        }
        let Some(mut oldest) = self.files.first_entry().filter(|oldest| *oldest.key() != current) else {
            return carried;
        };
        let (number, mut bytes) = (*oldest.key(), 0);
        while bytes < CARRIED_BYTES
            && let Some(id) = oldest.get_mut().ids.pop()
        {
            let Some(kept) = self.messages.get(&id).filter(|kept| kept.file == number) else { continue };
            record::write_sent(kept.queue, &kept.message, frame);
            bytes += kept.message.body.text().len();
            carried.push(id);
        }
        carried
    }

    /// What was to be carried over is in the file `current`.
    pub(super) fn carried(&mut self, current: u64, ids: &[u64]) {
        for id in ids {
            let Some(kept) = self.messages.get_mut(id) else { continue };
            let former = std::mem::replace(&mut kept.file, current);
            self.entered(current, *id);
            self.left(former);
        }
    }

    /// What was to be carried over could not be written.
    pub(super) fn not_carried(&mut self, ids: Vec<u64>) {
        if let Some(mut oldest) = self.files.first_entry() {
            oldest.get_mut().ids.extend(ids);
        }
    }

    /// Forgets the oldest files in which nothing is left, up to the file `current`. Answers their numbers.
    pub(super) fn empty_files(&mut self, current: u64) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || {
            let oldest = self.files.first_entry()?;
            let is_empty = *oldest.key() != current && oldest.get().count == 0;
            is_empty.then(|| oldest.remove_entry().0)
        })
    }
}

/// About how many bytes a message takes in a file.
fn size(message: &Message) -> u64 {
    (message.body.text().len() + message.group.len() + 64) as u64
}
