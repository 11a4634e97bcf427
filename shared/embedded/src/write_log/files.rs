//! The files of a log: those that hold something, and spare ones for what is to come.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::FILE_BYTES;

/// How many spare files are kept. Making them anew would hold up who writes much, and removing them all others on
/// a file system that tells its disk at once what it does not need any more.
pub(crate) const KEPT: usize = 8;

/// How long the thread waits after something failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The files of one log, and the thread that sees to them.
pub(super) struct Files {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Puts away files that are not needed any more.
#[derive(Clone)]
pub(crate) struct OldFiles(Arc<Shared>);

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The highest number that any file has, or had. A number is never used again, or what is left of a file's
    /// earlier use would count again.
    last: u64,
    spares: Vec<Spare>,
    wants_spare: bool,
    /// Files to be put away, in the order of their numbers.
    old: VecDeque<u64>,
    closed: bool,
}

/// A file to be used.
#[derive(Clone, Copy)]
struct Spare {
    number: u64,
    /// Whether all of it was written to before. Where that is not known it counts as not.
    was_full: bool,
}

/// A file that is used from now on.
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) file: File,
    pub(super) was_full: bool,
}

enum Work {
    PutAway { number: u64, as_spare: bool },
    MakeSpare { number: u64 },
}

impl Files {
    /// Finds the files, and removes what somebody who was interrupted left.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut state = State::default();
        for name in names(path)? {
            match Name::of(&name) {
                Name::Log(number) => state.last = state.last.max(number),
                Name::Spare(number) => {
                    state.last = state.last.max(number);
                    state.spares.push(Spare { number, was_full: false });
                }
                Name::Other => fs::remove_file(path.with_extension(format!("log-{name}")))?,
            }
        }
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { path: path.to_owned(), state, changed });
        let sees_to = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log-files".to_owned()).spawn(move || sees_to.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A file of full size with a number of its own: a spare one, or one that is made now.
    pub(super) fn take(&self) -> io::Result<Taken> {
        let Shared { path, .. } = &*self.shared;
        let (number, spare) = {
            let mut state = self.shared.lock();
            state.last += 1;
            (state.last, state.spares.pop())
        };
        let name = log_path(path, number);
        if let Some(spare) = spare {
            fs::rename(spare_path(path, spare.number), &name)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name)?;
        allocate(&file)?;
        Ok(Taken { number, file, was_full: spare.is_some_and(|spare| spare.was_full) })
    }

    pub(super) fn has_spare(&self) -> bool {
        !self.shared.lock().spares.is_empty()
    }

    /// Sees to it that there is a spare file soon.
    pub(super) fn want_spare(&self) {
        let mut state = self.shared.lock();
        if state.spares.is_empty() && !state.wants_spare {
            state.wants_spare = true;
            self.shared.changed.notify_all();
        }
    }

    pub(super) fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.shared.path)
    }

    pub(super) fn old_files(&self) -> OldFiles {
        OldFiles(Arc::clone(&self.shared))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl OldFiles {
    /// Puts a file away soon. Files are to be put away in the order of their numbers, and are; those that are still
    /// there when the process ends are found again by the next one.
    pub(crate) fn put_away(&self, number: u64) {
        self.0.lock().old.push_back(number);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(work) = self.next_work() {
            if let Err(error) = self.work(&work) {
                tracing::error!(%error, path = %self.path.display(), "a file of the log cannot be made or put away");
                let goes_on = |state: &mut State| !state.closed;
                drop(self.changed.wait_timeout_while(self.lock(), PAUSE, goes_on));
            }
        }
    }

    /// Waits for something to do; `None` when it is over.
    fn next_work(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(number) = state.old.front().copied() {
                return Some(Work::PutAway { number, as_spare: state.spares.len() < KEPT });
            }
            if state.wants_spare && state.spares.is_empty() {
                state.last += 1;
                return Some(Work::MakeSpare { number: state.last });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, work: &Work) -> io::Result<()> {
        match *work {
            Work::PutAway { number, as_spare } => {
                let kept = put_away(&self.path, number, as_spare)?;
                let mut state = self.lock();
                state.old.pop_front();
                state.spares.extend(kept.then_some(Spare { number, was_full: true }));
            }
            Work::MakeSpare { number } => {
                make_spare(&self.path, number)?;
                let mut state = self.lock();
                state.spares.push(Spare { number, was_full: false });
                state.wants_spare = false;
            }
        }
        Ok(())
    }
}

fn make_spare(path: &Path, number: u64) -> io::Result<()> {
    let name = path.with_extension("log-new");
    let file = File::create(&name)?;
    allocate(&file)?;
    file.sync_all()?;
    fs::rename(name, spare_path(path, number))
}

/// Puts away a file that is not needed any more, and answers whether it is a spare one now. Files are to be put
/// away in the order of their numbers.
pub(crate) fn put_away(path: &Path, number: u64, as_spare: bool) -> io::Result<bool> {
    let name = log_path(path, number);
    let length = match fs::metadata(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?.len(),
    };
    // One that outgrew its size is not kept.
    let kept = as_spare && length <= 2 * FILE_BYTES;
    if kept {
        fs::rename(&name, spare_path(path, number))?
    } else {
        fs::remove_file(&name)?
    }
    // Synced before the next is put away, so that no later file is gone while an earlier one is there.
    sync_folder(path)?;
    Ok(kept)
}

/// Gives a file its size, so that there is room for all of it.
fn allocate(file: &File) -> io::Result<()> {
    if file.metadata()?.len() >= FILE_BYTES {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, FILE_BYTES) {
        // Some file systems cannot.
        Err(Errno::OPNOTSUPP) => file.set_len(FILE_BYTES),
        allocated => Ok(allocated?),
    }
}

/// What a file's name says of it.
enum Name {
    Log(u64),
    Spare(u64),
    Other,
}

impl Name {
    /// Of what follows `log-`.
    fn of(name: &str) -> Self {
        let spare = || name.strip_prefix("spare-")?.parse().ok();
        name.parse().map(Self::Log).ok().or_else(|| spare().map(Self::Spare)).unwrap_or(Self::Other)
    }
}

pub(super) fn log_path(path: &Path, number: u64) -> PathBuf {
    path.with_extension(format!("log-{number}"))
}

fn spare_path(path: &Path, number: u64) -> PathBuf {
    path.with_extension(format!("log-spare-{number}"))
}

/// The numbers of the files that may hold something, in their order.
pub(crate) fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let number = |name: String| if let Name::Log(number) = Name::of(&name) { Some(number) } else { None };
    let mut numbers: Vec<_> = names(path)?.into_iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What follows `log-` in the names of the log's files.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let prefix = path.with_extension("log-");
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let name = entry?.file_name();
        names.extend(name.to_string_lossy().strip_prefix(&prefix).map(str::to_owned));
    }
    Ok(names)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}
