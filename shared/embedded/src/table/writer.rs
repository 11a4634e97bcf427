//! The threads behind tables in a file: one that writes, and one that gives the engine what was written.
//!
//! A put is over when its frame in the log is synced, which takes far longer than anything else about it. So while
//! one frame is being synced the next puts gather, and share the next one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postrider_application::ports::table::{TableError, TableName};
use tokio::sync::{mpsc, oneshot};

use super::backlog::{Backlog, Written};
use super::direct::Direct;
use super::overlay::{Entry, HotPut, Overlay, Place, records};
use crate::OpenError;
use crate::write_log::{Frame, OldFiles, WriteLog};

/// How many puts share a frame at most.
const GATHERED: usize = 256;

/// How long the engine is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How much the thread that settles gives way to others (`nice`): it has about a tenth of another's share.
const NICENESS: i32 = 10;

type Reply = oneshot::Sender<Result<(), TableError>>;

enum Job {
    Put(HotPut, Reply),
    Direct(Direct, Reply),
}

/// Hands writes to the threads, and ends them when it is dropped.
pub(super) struct Writer {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    backlog: Arc<Backlog>,
    threads: Vec<JoinHandle<()>>,
}

impl Writer {
    /// Begins a log beside the database and writes.
    pub(super) fn start(path: &Path, overlay: &Arc<Overlay>) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let log = WriteLog::begin(path).map_err(failed)?;
        let (jobs, received) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog::default());
        let mut writer = Self { jobs: Some(jobs), backlog: Arc::clone(&backlog), threads: Vec::new() };
        let old_files = log.old_files();
        let (places, overlay) = (Vec::new(), Arc::clone(overlay));
        let thread =
            WriterThread { overlay: Arc::clone(&overlay), log, places, backlog: Arc::clone(&backlog) };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        writer.threads.push(named("table-writer").spawn(move || thread.run(received)).map_err(failed)?);
        let settle = move || settle_backlog(&overlay, &old_files, &backlog);
        writer.threads.push(named("table-settler").spawn(settle).map_err(failed)?);
        Ok(writer)
    }

    pub(super) async fn put(&self, put: HotPut) -> Result<(), TableError> {
        self.done(|reply| Job::Put(put, reply)).await
    }

    pub(super) async fn direct(&self, direct: Direct) -> Result<(), TableError> {
        self.done(|reply| Job::Direct(direct, reply)).await
    }

    async fn done(&self, job: impl FnOnce(Reply) -> Job) -> Result<(), TableError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || unavailable("the writing thread has stopped");
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job(reply)).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        self.backlog.close();
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TableError {
    TableError::Unavailable { table: TableName::Ledger, source: source.into() }
}

/// The caller may have gone meanwhile; the write stands all the same.
fn answer(reply: Reply, result: Result<(), TableError>) {
    drop(reply.send(result));
}

struct WriterThread {
    overlay: Arc<Overlay>,
    log: WriteLog,
    /// What is in the file that is being written, some of it more than once.
    places: Vec<Place>,
    backlog: Arc<Backlog>,
}

impl WriterThread {
    fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let (mut puts, mut directs) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Put(put, reply) => puts.push((put, reply)),
                    Job::Direct(direct, reply) => directs.push((direct, reply)),
                }
                next = if puts.len() < GATHERED { jobs.try_recv().ok() } else { None };
            }
            if !puts.is_empty() {
                self.write(puts);
            }
            for (direct, reply) in directs {
                answer(reply, self.write_direct(direct));
            }
        }
    }

    /// Judges puts one after the other, writes down those that stand, and then inserts and answers them.
    fn write(&mut self, puts: Vec<(HotPut, Reply)>) {
        if !self.backlog.has_room() {
            for (_, reply) in puts {
                answer(reply, Err(unavailable("the database does not keep up with the log")));
            }
            return;
        }
        let mut staged: HashMap<Place, Entry> = HashMap::new();
        let mut frame = Frame::new();
        let mut judged = Vec::with_capacity(puts.len());
        for (put, reply) in puts {
            let result = self.overlay.judge(&put, staged.get(&put.place)).map(|entry| {
                records::push(&mut frame, &put.place, Some(&put.packed));
                staged.insert(put.place, entry);
            });
            judged.push((result, reply));
        }
        // A refused put may have been refused because of one in this frame, so it waits for the frame, too.
        match if frame.is_empty() { Ok(()) } else { self.log.append(frame) } {
            Ok(()) => {
                self.places.extend(staged.keys().cloned());
                self.overlay.insert(staged);
                judged.into_iter().for_each(|(result, reply)| answer(reply, result));
                self.turn_over_if_full();
            }
            Err(error) => {
                tracing::error!(%error, "the log of the table cannot be written");
                let error = Arc::new(error);
                judged.into_iter().for_each(|(_, reply)| answer(reply, Err(unavailable(Arc::clone(&error)))));
            }
        }
    }

    fn turn_over_if_full(&mut self) {
        match self.log.turn_over_if_full() {
            Ok(None) => {}
            Ok(Some(number)) => {
                self.backlog.push(Written { number, places: std::mem::take(&mut self.places) });
            }
            // The file grows until this succeeds.
            Err(error) => tracing::error!(%error, "no further log of the table can be begun"),
        }
    }

    fn write_direct(&mut self, direct: Direct) -> Result<(), TableError> {
        let places = direct.places();
        let log = &mut self.log;
        self.overlay.exclusively(&places, |engine| {
            let mut frame = Frame::new();
            places.iter().for_each(|place| records::push(&mut frame, place, None));
            log.append(frame).map_err(unavailable)?;
            direct.write(engine)
        })
    }
}

/// Gives the engine what is in files that are full, and puts them away.
fn settle_backlog(overlay: &Overlay, old_files: &OldFiles, backlog: &Backlog) {
    give_way();
    while let Some(written) = backlog.first() {
        let mut places = written.places.clone();
        places.sort_unstable();
        places.dedup();
        match overlay.settle(&places) {
            Ok(()) => {
                old_files.put_away(written.number);
                backlog.done();
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the engine could not be given what is in the log of the table");
                backlog.pause(PAUSE);
            }
        }
    }
}

/// Lets everybody else's threads go first where there is not enough processor for all: nobody waits for what this one
/// does until the backlog is full.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the thread that settles keeps its priority");
    }
}
