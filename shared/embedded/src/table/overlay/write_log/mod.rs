//! The log of the puts that the engine may not have yet: a few files of one size beside the database.
//!
//! A file begins with its number. Frames follow: length, checksum, records. A frame is what was synced together.
//! The checksum is the one of SQLite's write-ahead log and goes on from frame to frame, beginning with the file's
//! number, so a frame counts only behind the frames that it was written behind. What a torn or failed write left,
//! and what is left of the file's earlier use, is therefore not taken for a frame. Files are used again because
//! overwriting is synced much faster than appending: the file system has nothing to note.

mod frame;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(in crate::table) use self::frame::{Frame, Kept};

use self::frame::{Sum, next_frame, read_records};

/// The size of a file in bytes, unless one frame is larger.
pub(in crate::table) const FILE_BYTES: u64 = 8 * 1024 * 1024;

/// What a file begins with, the version of its form included; the number of the file follows.
const MAGIC: &[u8; 8] = b"prlog\0\0\x01";

const HEADER_BYTES: usize = 16;

/// The file that is being written.
pub(in crate::table) struct WriteLog {
    path: PathBuf,
    number: u64,
    file: File,
    length: u64,
    sum: Sum,
}

impl WriteLog {
    /// Begins a new file behind those that are there.
    pub(in crate::table) fn begin(path: &Path) -> io::Result<Self> {
        // Never a number under which a file was used before, or what is left of that use would count again.
        let last = numbers(path)?.last().copied().max(spare_number(path)?);
        Self::create(path.to_owned(), last.unwrap_or_default() + 1)
    }

    fn create(path: PathBuf, number: u64) -> io::Result<Self> {
        let name = file_path(&path, number);
        if let Err(error) = fs::rename(spare_path(&path), &name)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name)?;
        fill(&file)?;
        let header = [*MAGIC, number.to_le_bytes()].concat();
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        sync_folder(&path)?;
        Ok(Self { path, number, file, length: HEADER_BYTES as u64, sum: Sum::of_number(number) })
    }

    /// Writes a frame; it survives a power cut when this returns. After an error the log is as it was, though the
    /// frame may be found by who reads it before the next one is written.
    pub(in crate::table) fn append(&mut self, frame: Frame) -> io::Result<()> {
        let (bytes, sum) = frame.seal(self.sum).ok_or_else(|| io::Error::other("the frame is too long"))?;
        self.file.write_all_at(&bytes, self.length)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        self.sum = sum;
        Ok(())
    }

    /// Whether the file has its size.
    pub(in crate::table) fn is_full(&self) -> bool {
        self.length >= FILE_BYTES
    }

    /// Goes on in a new file. Answers the number of the one that ends.
    pub(in crate::table) fn turn_over(&mut self) -> io::Result<u64> {
        let next = Self::create(self.path.clone(), self.number + 1)?;
        Ok(std::mem::replace(self, next).number)
    }
}

/// Makes the spare file that the first turn-over takes, if there is none.
pub(in crate::table) fn prepare_spare(path: &Path) -> io::Result<()> {
    if fs::exists(spare_path(path))? {
        return Ok(());
    }
    let name = path.with_extension("log-new");
    let file = File::create(&name)?;
    fill(&file)?;
    file.sync_all()?;
    fs::rename(name, spare_path(path))
}

/// Gives a file its size, so that the file system has nothing to note when it is written.
fn fill(file: &File) -> io::Result<()> {
    if file.metadata()?.len() < FILE_BYTES {
        file.write_all_at(&vec![0; FILE_BYTES as usize], 0)?;
    }
    Ok(())
}

/// Removes a file, all of which the engine has. Files are to be removed in the order of their numbers.
pub(in crate::table) fn remove(path: &Path, number: u64) -> io::Result<()> {
    let name = file_path(path, number);
    let removed = match fs::metadata(&name) {
        // One that outgrew its size is not kept.
        Ok(file) if file.len() > 2 * FILE_BYTES => fs::remove_file(&name),
        Ok(_) => fs::rename(&name, spare_path(path)),
        Err(error) => Err(error),
    };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    // Synced before the next is removed, so that no later file is gone while an earlier one is there.
    sync_folder(path)
}

/// Reads what the files hold, and answers their numbers.
pub(in crate::table) fn read(path: &Path) -> io::Result<(Vec<u64>, Kept)> {
    let numbers = numbers(path)?;
    let mut kept = Kept::new();
    for number in &numbers {
        let bytes = fs::read(file_path(path, *number))?;
        read_file(&bytes, *number, &mut kept)?;
    }
    Ok((numbers, kept))
}

fn read_file(bytes: &[u8], number: u64, kept: &mut Kept) -> io::Result<()> {
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER_BYTES) else { return Ok(()) };
    let (magic, written) = header.split_at(MAGIC.len());
    if written != number.to_le_bytes() || magic.iter().all(|byte| *byte == 0) {
        // The process ended before the file was begun.
        return Ok(());
    }
    if magic != MAGIC {
        return Err(io::Error::other("the log of the table was written by another version"));
    }
    let mut sum = Sum::of_number(number);
    while let Some((records, after, next)) = next_frame(rest, sum) {
        read_records(records, kept).ok_or_else(|| io::Error::other("the log of the table is damaged"))?;
        (rest, sum) = (after, next);
    }
    Ok(())
}

fn file_path(path: &Path, number: u64) -> PathBuf {
    path.with_extension(format!("log-{number}"))
}

/// The file that waits to be used again.
fn spare_path(path: &Path) -> PathBuf {
    path.with_extension("log-spare")
}

/// The number that the spare file had, if there is one.
fn spare_number(path: &Path) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    match File::open(spare_path(path)).and_then(|file| file.read_exact_at(&mut header, 0)) {
        Ok(()) => Ok(header.last_chunk().map(|number| u64::from_le_bytes(*number))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The numbers of the files that are there, in their order.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let prefix = path.with_extension("log-");
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let name = entry?.file_name();
        numbers.extend(name.to_string_lossy().strip_prefix(&prefix).and_then(|end| end.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
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

#[cfg(test)]
mod tests;
