//! The threads behind tables in a file: one that writes, and one that gives the engine what was written.
//!
//! A put is over when its frame in the log is synced, which takes far longer than anything else about it. So while
//! one frame is being synced the next puts gather, and share the next one, tenant by tenant in turns.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt as _};
use postrider_application::ports::table::{TableError, TableName};
use tokio::sync::{mpsc, oneshot};

use super::backlog::{Backlog, Written};
use super::direct::Direct;
use super::overlay::{Entry, HotPut, Overlay, PORTION, Place, records};
use crate::OpenError;
use crate::turns::Turns;
use crate::write_log::{Frame, OldFiles, WriteLog};

/// How many puts share a frame at most. The more, the longer does whoever has but one wait for the others'.
const GATHERED: usize = 64;

/// How long the engine is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many items are settled in a commit as long as there is room in the backlog: few, because others wait for the
/// processor and for the disk meanwhile.
const UNHURRIED: usize = 20;

/// How much longer than what was done the rest after it is, as long as there is room in the backlog.
const REST: u32 = 9;

type Reply = oneshot::Sender<Result<(), TableError>>;

enum Job {
    Put(HotPut, Reply),
    Direct(Direct, Vec<Place>, Reply),
}

impl Job {
    /// Whose turn it has to wait for: what the keys of a tenant's items have in common, `T#<tenant>`.
    fn group(&self) -> &str {
        let place = match self {
            Self::Put(put, _) => Some(&put.place),
            Self::Direct(_, places, _) => places.first(),
        };
        let pk = place.map_or("", |place| &*place.pk);
        let end = pk.match_indices('#').nth(1).map_or(pk.len(), |(end, _)| end);
        &pk[..end]
    }
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

    /// Makes a write in these places.
    pub(super) async fn direct(&self, direct: Direct, places: Vec<Place>) -> Result<(), TableError> {
        self.done(|reply| Job::Direct(direct, places, reply)).await
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
        let mut waiting = Turns::default();
        loop {
            if waiting.is_empty() {
                let Some(first) = jobs.blocking_recv() else { return };
                waiting.push(first, Job::group);
            }
            while let Ok(job) = jobs.try_recv() {
                waiting.push(job, Job::group);
            }
            let (mut puts, mut directs) = (Vec::new(), Vec::new());
            while puts.len() < GATHERED
                && let Some(job) = waiting.next()
            {
                match job {
                    Job::Put(put, reply) => puts.push((put, reply)),
                    Job::Direct(direct, places, reply) => directs.push((direct, places, reply)),
                }
            }
            if !puts.is_empty() {
                self.write(puts);
            }
            for (direct, places, reply) in directs {
                answer(reply, self.write_direct(direct, &places));
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
            let staged_there = staged.get(&put.place);
            let result = self.overlay.judge(put, staged_there).map(|(place, entry)| {
                records::push(&mut frame, &place, Some(&entry.packed));
                staged.insert(place, entry);
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

    fn write_direct(&mut self, direct: Direct, places: &[Place]) -> Result<(), TableError> {
        let log = &mut self.log;
        self.overlay.exclusively(places, |engine| {
            let mut frame = Frame::new();
            places.iter().for_each(|place| records::push(&mut frame, place, None));
            log.append(frame).map_err(unavailable)?;
            direct.write(engine)
        })
    }
}

/// Gives the engine what is in these places, with rests as long as there is room.
fn settle(overlay: &Overlay, mut places: &[Place], backlog: &Backlog) -> Result<(), TableError> {
    while !places.is_empty() {
        let hurries = backlog.is_large();
        let (portion, rest) = places.split_at(places.len().min(if hurries { PORTION } else { UNHURRIED }));
        let begun = Instant::now();
        overlay.settle(portion)?;
        if !hurries {
            backlog.pause(begun.elapsed() * REST);
        }
        places = rest;
    }
    Ok(())
}

/// Gives the engine what is in files that are full, and puts them away. While there is room nobody waits for that, so
/// it takes no more than its share of the processors from those for whom somebody does.
fn settle_backlog(overlay: &Overlay, old_files: &OldFiles, backlog: &Backlog) {
    while let Some(written) = backlog.first() {
        let mut places = written.places.clone();
        places.sort_unstable();
        places.dedup();
        let settled = settle(overlay, &places, backlog);
        match settled {
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
