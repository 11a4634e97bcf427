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
use super::overlay::write_log::{self, Frame, WriteLog};
use super::overlay::{Concerned, Entry, HotPut, Overlay, Place};
use crate::OpenError;

/// How many puts share a frame at most.
const GATHERED: usize = 256;

/// How long the engine is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

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
        let thread = WriterThread { overlay: Arc::clone(overlay), log, backlog: Arc::clone(&backlog) };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        writer.threads.push(named("table-writer").spawn(move || thread.run(received)).map_err(failed)?);
        let (overlay, path) = (Arc::clone(overlay), path.to_owned());
        let settle = move || settle_backlog(&overlay, &path, &backlog);
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
                frame.push(&put.place, Some(&put.packed));
                staged.insert(put.place, entry);
            });
            judged.push((result, reply));
        }
        // A refused put may have been refused because of one in this frame, so it waits for the frame, too.
        match if frame.is_empty() { Ok(()) } else { self.log.append(frame) } {
            Ok(()) => {
                let stamp = self.overlay.insert(staged);
                judged.into_iter().for_each(|(result, reply)| answer(reply, result));
                self.turn_over_if_full(stamp);
            }
            Err(error) => {
                tracing::error!(%error, "the log of the table cannot be written");
                let error = Arc::new(error);
                judged.into_iter().for_each(|(_, reply)| answer(reply, Err(unavailable(Arc::clone(&error)))));
            }
        }
    }

    fn turn_over_if_full(&mut self, stamp: u64) {
        if self.log.is_full() {
            match self.log.turn_over() {
                Ok(number) => self.backlog.push(Written { number, stamp }),
                // The file grows until this succeeds.
                Err(error) => tracing::error!(%error, "no further log of the table can be begun"),
            }
        }
    }

    fn write_direct(&mut self, direct: Direct) -> Result<(), TableError> {
        let places = direct.places();
        let log = &mut self.log;
        self.overlay.exclusively(&places, |engine| {
            let mut frame = Frame::new();
            places.iter().for_each(|place| frame.push(place, None));
            log.append(frame).map_err(unavailable)?;
            direct.write(engine)
        })
    }
}

/// Gives the engine what is in files that are full, and removes them.
fn settle_backlog(overlay: &Overlay, path: &Path, backlog: &Backlog) {
    if let Err(error) = write_log::prepare_spare(path) {
        tracing::warn!(%error, "no spare log of the table could be made");
    }
    while let Some(Written { number, stamp }) = backlog.first() {
        let settled = overlay.settle(&overlay.places(&Concerned::UpTo(stamp)));
        match settled.and_then(|()| write_log::remove(path, number).map_err(unavailable)) {
            Ok(()) => backlog.done(),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the engine could not be given what is in the log of the table");
                backlog.pause(PAUSE);
            }
        }
    }
}
