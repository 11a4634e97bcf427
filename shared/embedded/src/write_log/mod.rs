//! A log of what must survive: a few files of one size, written one after the other.
//!
//! A file begins with its number. Frames follow: length, checksum, records. The checksum is the one of SQLite's
//! write-ahead log and goes on from frame to frame, beginning with the file's number, so a frame counts only behind
//! the frames that it was written behind. What a torn or failed write left, and what is left of the file's earlier
//! use, is therefore not taken for a frame. Files are used again because overwriting is synced much faster than
//! appending: the file system has nothing to note.
//!
//! Making a file takes a while, and so does putting one away. A thread of its own does both ([`files`]).

mod files;
mod frame;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

#[cfg(test)]
pub(crate) use self::files::{KEPT, numbers};
pub(crate) use self::files::{OldFiles, put_away};
pub(crate) use self::frame::Frame;

use self::files::{Files, Taken};
use self::frame::{Sum, next_frame};

/// The size of a file in bytes. One without a successor grows beyond it.
pub(crate) const FILE_BYTES: u64 = 8 * 1024 * 1024;

/// How much more than a frame is written where nothing was written before: zeros, which later frames replace. A sync
/// that finds parts of the file written for the first time has to note that in the file system's journal, and waits
/// for whatever else is noted there.
const AHEAD_BYTES: u64 = 256 * 1024;

/// What a file begins with, the version of its form included; the number of the file follows.
const MAGIC: &[u8; 8] = b"prlog\0\0\x01";

const HEADER_BYTES: usize = 16;

/// The file that is being written.
pub(crate) struct WriteLog {
    files: Files,
    number: u64,
    file: File,
    end: End,
    /// Up to where the file was written to before, be it with something else.
    written: u64,
    /// The end of what is synced.
    synced: End,
}

/// Where a file ends, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    length: u64,
    sum: Sum,
}

impl WriteLog {
    /// Begins a new file behind those that are there, which are beside `path` and have its name.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let files = Files::open(path)?;
        let Begun { number, file, end, written } = begin_file(&files)?;
        Ok(Self { files, number, file, end, written, synced: end })
    }

    /// The number of the file.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Writes a frame and syncs it.
    pub(crate) fn append(&mut self, frame: Frame) -> io::Result<()> {
        self.write(frame)?;
        self.sync()
    }

    /// Writes a frame, which survives the process when this returns, and a power cut when it is synced. After an
    /// error the log is as it was.
    pub(crate) fn write(&mut self, frame: Frame) -> io::Result<()> {
        let (mut bytes, sum) =
            frame.seal(self.end.sum).ok_or_else(|| io::Error::other("the frame is too long"))?;
        let length = self.end.length + bytes.len() as u64;
        if length > self.written {
            let ahead = FILE_BYTES.saturating_sub(length).min(AHEAD_BYTES);
            bytes.resize(bytes.len() + ahead as usize, 0);
        }
        self.file.write_all_at(&bytes, self.end.length)?;
        self.written = self.written.max(self.end.length + bytes.len() as u64);
        self.end = End { length, sum };
        if length > FILE_BYTES / 2 {
            self.files.want_spare();
        }
        Ok(())
    }

    /// What was written so far survives a power cut when this returns. After an error nothing counts that was not
    /// synced before, though it may be found by who reads it before the next frame is written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.end == self.synced {
            return Ok(());
        }
        // The system may have dropped what it could not write, and nothing counts behind a gap.
        self.file.sync_data().inspect_err(|_| self.end = self.synced)?;
        self.synced = self.end;
        Ok(())
    }

    /// Goes on in a new file when this one is full. Answers the number of the one that has ended. Until a spare file
    /// is there this one grows, up to twice its size.
    pub(crate) fn turn_over_if_full(&mut self) -> io::Result<Option<u64>> {
        let is_full = self.end.length >= FILE_BYTES;
        if !is_full || self.end.length < 2 * FILE_BYTES && !self.files.has_spare() {
            return Ok(None);
        }
        self.turn_over().map(Some)
    }

    /// Goes on in a new file. Answers the number of the one that has ended.
    pub(crate) fn turn_over(&mut self) -> io::Result<u64> {
        self.sync()?;
        let Begun { number, file, end, written } = begin_file(&self.files)?;
        (self.file, self.end, self.written, self.synced) = (file, end, written, end);
        Ok(std::mem::replace(&mut self.number, number))
    }

    /// Puts away files that are not needed any more.
    pub(crate) fn old_files(&self) -> OldFiles {
        self.files.old_files()
    }
}

/// A file of which nothing but the header counts.
struct Begun {
    number: u64,
    file: File,
    end: End,
    written: u64,
}

fn begin_file(files: &Files) -> io::Result<Begun> {
    let Taken { number, file, was_full } = files.take()?;
    let header = [*MAGIC, number.to_le_bytes()].concat();
    file.write_all_at(&header, 0)?;
    file.sync_all()?;
    files.sync_folder()?;
    let end = End { length: HEADER_BYTES as u64, sum: Sum::of_number(number) };
    Ok(Begun { number, file, end, written: if was_full { FILE_BYTES } else { end.length } })
}

/// Reads what the files hold: hands each frame's records to `take`, with the number of the file. Answers the files'
/// numbers.
pub(crate) fn read(path: &Path, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<Vec<u64>> {
    let numbers = files::numbers(path)?;
    for number in &numbers {
        let bytes = fs::read(files::log_path(path, *number))?;
        read_file(&bytes, *number, &mut take)?;
    }
    Ok(numbers)
}

fn read_file(
    bytes: &[u8],
    number: u64,
    take: &mut impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER_BYTES) else { return Ok(()) };
    let (magic, written) = header.split_at(MAGIC.len());
    if written != number.to_le_bytes() || magic.iter().all(|byte| *byte == 0) {
        // The process ended before the file was begun.
        return Ok(());
    }
    if magic != MAGIC {
        return Err(io::Error::other("the log was written by another version"));
    }
    let mut sum = Sum::of_number(number);
    while let Some((records, after, next)) = next_frame(rest, sum) {
        take(number, records)?;
        (rest, sum) = (after, next);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
