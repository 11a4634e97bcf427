//! The files behind the queues: what was sent and not yet removed.
//!
//! One thread writes, and gathers what waits into one frame, group by group in turns, so that concurrent senders share
//! the sync to the disk. Removals are not synced by themselves: a message that comes again after a power cut is known to be one that
//! may. A file is put away when nothing in it is left, and what stays long is carried over into newer files
//! ([`contents`]).

mod contents;
mod former;
mod record;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use postrider_application::ports::QueueName;
use tokio::sync::{mpsc, oneshot};

use self::contents::Contents;
pub(super) use self::record::LogEntry;
use super::state::Message;
use crate::OpenError;
use crate::turns::Turns;
use crate::write_log::{self, Frame, WriteLog};

/// How many bytes of messages share a frame, unless one job has more. The more, the longer does whoever has but one
/// message wait for the others'.
const GATHERED_BYTES: usize = 64 * 1024;

/// The log could not be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue's log cannot be written: {0}")]
pub(super) struct LogError(Arc<str>);

type Reply = oneshot::Sender<Result<(), LogError>>;

/// Entries, and who waits until they are synced.
type Job = (Vec<LogEntry>, Option<Reply>);

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    /// For which nobody waits. It goes first, and does not take long.
    unasked: Vec<LogEntry>,
    asked: Turns<(Vec<LogEntry>, Reply)>,
}

impl Waiting {
    fn push(&mut self, (entries, reply): Job) {
        let Some(reply) = reply else { return self.unasked.extend(entries) };
        self.asked.push((entries, reply), |(entries, _)| match entries.first() {
            Some(LogEntry::Sent(_, message)) => &message.group,
            _ => "",
        });
    }

    fn is_empty(&self) -> bool {
        self.unasked.is_empty() && self.asked.is_empty()
    }

    /// What goes into one frame, and who waits for it.
    fn frame(&mut self) -> (Vec<LogEntry>, Vec<Reply>) {
        let (mut entries, mut replies, mut bytes) = (std::mem::take(&mut self.unasked), Vec::new(), 0);
        while bytes < GATHERED_BYTES
            && let Some((job, reply)) = self.asked.next()
        {
            bytes += job.iter().map(LogEntry::bytes).sum::<usize>();
            entries.extend(job);
            replies.push(reply);
        }
        (entries, replies)
    }
}

/// Hands entries to the thread, and ends it when it is dropped.
pub(super) struct Log {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log beside `path` and answers what it kept, in the order in which it was sent.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<(QueueName, Message)>), OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let mut contents = Contents::default();
        let numbers = write_log::read(path, |file, records| {
            record::read_all(records, |entry| contents.apply(file, &entry))
        });
        numbers.map_err(failed)?.into_iter().for_each(|number| contents.begin(number));
        let log = WriteLog::begin(path).map_err(failed)?;
        contents.begin(log.number());
        let mut thread = WriterThread { log, contents };
        former::take_over(path, |entries| thread.commit(&entries, true).map_err(failed))?;
        thread.put_away_empty_files();
        let kept = thread.contents.messages();
        let (jobs, received) = mpsc::unbounded_channel();
        let builder = thread::Builder::new().name("queue-log".to_owned());
        let thread = Some(builder.spawn(move || thread.run(received)).map_err(failed)?);
        Ok((Self { jobs: Some(jobs), thread }, kept))
    }

    /// Remembers entries soon.
    pub(super) fn append(&self, entries: Vec<LogEntry>) {
        // When the thread has ended the process is ending too; what is lost is only forgetting.
        self.jobs.as_ref().map(|jobs| jobs.send((entries, None)).ok());
    }

    /// Remembers entries; they survive a power cut when this returns.
    pub(super) async fn synced(&self, entries: Vec<LogEntry>) -> Result<(), LogError> {
        let stopped = || LogError("the writing thread has stopped".into());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send((entries, Some(reply))).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct WriterThread {
    log: WriteLog,
    contents: Contents,
}

impl WriterThread {
    fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut waiting = Waiting::default();
        loop {
            if waiting.is_empty() {
                let Some(first) = jobs.blocking_recv() else { break };
                waiting.push(first);
            }
            while let Ok(job) = jobs.try_recv() {
                waiting.push(job);
            }
            let (entries, replies) = waiting.frame();
            let result = self.commit(&entries, !replies.is_empty());
            if let Err(error) = &result {
                tracing::error!(%error, "the queue's log cannot be written");
            }
            let result = result.map_err(|error| LogError(error.to_string().into()));
            // Who asked may have gone meanwhile; what was written stands all the same.
            replies.into_iter().for_each(|reply| drop(reply.send(result.clone())));
        }
        if let Err(error) = self.log.sync() {
            tracing::warn!(%error, "the end of the queue's log cannot be synced");
        }
    }

    /// Writes entries, and syncs them if somebody waits for it.
    fn commit(&mut self, entries: &[LogEntry], waited_for: bool) -> io::Result<()> {
        let file = self.log.number();
        let mut frame = Frame::new();
        // First, because these entries may be about what is carried.
        let carried = self.contents.carry(file, &mut frame);
        entries.iter().for_each(|entry| entry.write(&mut frame));
        let written = if frame.is_empty() { Ok(()) } else { self.log.write(frame) };
        let must_last = waited_for || !carried.is_empty();
        if let Err(error) = written.and_then(|()| if must_last { self.log.sync() } else { Ok(()) }) {
            self.contents.not_carried(carried);
            return Err(error);
        }
        self.contents.carried(file, &carried);
        entries.iter().for_each(|entry| self.contents.apply(file, entry));
        self.turn_over_if_full();
        Ok(())
    }

    fn turn_over_if_full(&mut self) {
        match self.log.turn_over_if_full() {
            Ok(None) => {}
            Ok(Some(_)) => self.contents.begin(self.log.number()),
            // The file grows until this succeeds.
            Err(error) => tracing::error!(%error, "no further log of the queue can be begun"),
        }
        self.put_away_empty_files();
    }

    fn put_away_empty_files(&mut self) {
        let old_files = self.log.old_files();
        self.contents.empty_files(self.log.number()).for_each(|number| old_files.put_away(number));
    }
}

#[cfg(test)]
mod tests;
