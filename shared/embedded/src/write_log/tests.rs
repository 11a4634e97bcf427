use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// What the records say: the value under each key.
type Kept = BTreeMap<String, String>;

/// Each frame puts a value under a key of its own, and under the key `same`.
fn frame(number: usize, value: usize) -> Frame {
    let mut frame = Frame::new();
    frame.extend(format!("{number}={value};same={value};").as_bytes());
    frame
}

fn kept(path: &Path) -> (Vec<u64>, Kept) {
    let mut kept = Kept::new();
    let numbers = read(path, |_, records| {
        let text = String::from_utf8(records.to_vec()).map_err(io::Error::other)?;
        let pairs = text.split_terminator(';').filter_map(|pair| pair.split_once('='));
        kept.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        Ok(())
    });
    (numbers.unwrap(), kept)
}

/// What should be found where only the first `whole` frames count.
fn expected(whole: usize) -> Kept {
    let own = (0..whole).map(|number| (number.to_string(), number.to_string()));
    own.chain(whole.checked_sub(1).map(|last| ("same".to_owned(), last.to_string()))).collect()
}

/// A file of that many bytes.
fn large(bytes: u64) -> Frame {
    let mut frame = Frame::new();
    frame.extend(format!("large={};", "x".repeat(bytes as usize)).as_bytes());
    frame
}

fn file_names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn frames_are_found_in_their_order_and_over_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = WriteLog::begin(&path).unwrap();
    for number in 0..6 {
        log.append(frame(number, number)).unwrap();
        if number % 2 == 0 {
            log.turn_over().unwrap();
        }
    }
    assert_eq!(kept(&path), (vec![1, 2, 3, 4], expected(6)));
}

#[test]
fn a_file_that_is_used_again_begins_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for _ in 0..3 {
        let mut log = WriteLog::begin(&path).unwrap();
        for number in 0..4 {
            log.append(frame(number, number)).unwrap();
        }
        let (numbers, found) = kept(&path);
        assert_eq!(found, expected(4));
        assert!(put_away(&path, numbers[0], true).unwrap());
        drop(log);
        // As a process that ends before it wrote anything.
        drop(WriteLog::begin(&path).unwrap());
        let (numbers, found) = kept(&path);
        assert!(found.is_empty(), "{found:?} of the earlier use");
        assert!(put_away(&path, numbers[0], true).unwrap());
        assert_eq!(file_names(folder.path()).len(), 1, "one file, used again and again");
    }
}

#[test]
fn a_spare_file_is_made_before_it_is_needed_and_no_more_are_kept_than_help() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(large(FILE_BYTES / 2)).unwrap();
    until("no spare file is made", || log.files.has_spare());
    assert_eq!(log.turn_over_if_full().unwrap(), None, "half of it is free");
    log.append(large(FILE_BYTES / 2)).unwrap();
    assert_eq!(log.turn_over_if_full().unwrap(), Some(1));
    // Nobody waits for a spare one: the file grows, though not for ever.
    let mut ended = Vec::new();
    for _ in 0..=2 * (KEPT + 2) {
        log.append(large(FILE_BYTES)).unwrap();
        ended.extend(log.turn_over_if_full().unwrap());
    }
    assert!(ended.len() > KEPT, "{} files have ended", ended.len());
    let old = log.old_files();
    [1].iter().chain(&ended).for_each(|number| old.put_away(*number));
    until("the old files are not put away", || numbers(&path).unwrap().len() == 1);
    let names = file_names(folder.path());
    let spares = names.iter().filter(|name| name.contains("spare")).count();
    assert!((1..=KEPT).contains(&spares), "{names:?}");
    assert_eq!(names.len(), spares + 1, "{names:?}");
}

#[test]
fn what_is_half_made_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(path.with_extension("log-new"), "half").unwrap();
    fs::write(folder.path().join("other.log-new"), "of another log").unwrap();
    drop(WriteLog::begin(&path).unwrap());
    assert_eq!(file_names(folder.path()), ["log.log-1", "other.log-new"]);
}

#[test]
fn what_a_failed_write_left_does_not_count_behind_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, 0)).unwrap();
    let synced = log.synced;
    log.write(frame(1, 1)).unwrap();
    log.write(frame(2, 2)).unwrap();
    // As if syncing both had failed: the next frame has exactly the place of the first of them.
    log.end = synced;
    log.append(frame(1, 9)).unwrap();
    let expected = [("0", "0"), ("1", "9"), ("same", "9")];
    let expected: Kept = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    assert_eq!(kept(&path).1, expected);
}

#[test]
fn what_is_not_synced_is_there_when_only_the_process_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, 0)).unwrap();
    log.write(frame(1, 1)).unwrap();
    assert_eq!(kept(&path).1, expected(2));
    assert_ne!(log.end, log.synced);
    log.sync().unwrap();
    assert_eq!(log.end, log.synced);
}

#[test]
fn a_log_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, 0)).unwrap();
    log.file.write_all_at(&[2], 7).unwrap();
    assert!(read(&path, |_, _| Ok(())).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_torn_or_damaged_end_loses_no_whole_frame(frames in 1..6_usize, cut in any::<prop::sample::Index>(), damage in any::<Option<u8>>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = WriteLog::begin(&path).unwrap();
        let mut ends = Vec::new();
        for number in 0..frames {
            log.append(frame(number, number)).unwrap();
            ends.push(log.end.length);
        }
        let at = HEADER_BYTES as u64 + cut.index(ends[frames - 1] as usize - HEADER_BYTES) as u64;
        let file = OpenOptions::new().read(true).write(true).open(files::log_path(&path, 1)).unwrap();
        match damage {
            // The file ends here.
            None => file.set_len(at).unwrap(),
            // One byte is another one.
            Some(other) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ other.max(1)], at).unwrap();
            }
        }
        let whole = ends.iter().filter(|end| **end <= at).count();
        prop_assert_eq!(kept(&path).1, expected(whole));
    }
}

#[test]
fn what_was_never_written_is_written_ahead_of_the_frames_and_what_was_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let bytes = |number| fs::read(files::log_path(&path, number)).unwrap();
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    // A spare file of which nobody knows what is in it.
    fs::write(path.with_extension("log-spare-1"), vec![7; FILE_BYTES as usize]).unwrap();
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, 0)).unwrap();
    let (end, ahead) = (log.end.length as usize, AHEAD_BYTES as usize);
    assert!(is_zero(&bytes(2)[end..end + ahead]) && bytes(2)[end + ahead] == 7);
    log.append(frame(1, 1)).unwrap();
    assert_eq!(bytes(2)[end + ahead], 7, "there is room until there");
    // Full, put away, and used again.
    log.append(large(FILE_BYTES)).unwrap();
    // The new file that follows has to be taken first, or it may be the next one.
    until("no spare file is made", || log.files.has_spare());
    assert_eq!(log.turn_over().unwrap(), 2);
    log.old_files().put_away(2);
    until("it is not put away", || log.files.has_spare());
    log.turn_over().unwrap();
    log.append(frame(2, 2)).unwrap();
    assert_eq!(bytes(log.number)[log.end.length as usize + ahead / 2], b'x');
    assert_eq!(kept(&path).1["same"], "2");
}
