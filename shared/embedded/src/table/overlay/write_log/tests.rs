use std::fs::OpenOptions;

use postrider_application::ports::table::{AttributeValue, Item, Key};
use proptest::prelude::*;

use super::*;
use crate::table::overlay::{Packed, Place};

fn packed(place: &Place, value: &str) -> Packed {
    let mut item: Item = Key::new(&*place.pk, &*place.sk).into_item();
    item.insert("value".to_owned(), AttributeValue::S(value.to_owned()));
    Packed::pack(&item).unwrap().1
}

/// Each frame puts its own number under its own key, and under the key `same`.
fn frame(number: usize, value: &str) -> Frame {
    let mut frame = Frame::new();
    for place in [Place::new("p", &number.to_string()), Place::new("p", "same")] {
        frame.push(&place, Some(&packed(&place, value)));
    }
    frame
}

fn values(kept: &Kept, frames: usize) -> Vec<Option<Packed>> {
    let place = |sk: String| Place::new("p", &sk);
    let own = (0..frames).map(|number| kept.get(&place(number.to_string())).cloned().flatten());
    own.chain([kept.get(&place("same".to_owned())).cloned().flatten()]).collect()
}

/// What should be found where only the first `whole` of so many frames count.
fn expected(whole: usize, frames: usize) -> Vec<Option<Packed>> {
    let value = |sk: String, number: usize| packed(&Place::new("p", &sk), &number.to_string());
    let own = (0..frames).map(|number| (number < whole).then(|| value(number.to_string(), number)));
    own.chain([(whole > 0).then(|| value("same".to_owned(), whole.saturating_sub(1)))]).collect()
}

#[test]
fn frames_are_found_in_their_order_and_over_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let mut log = WriteLog::begin(&path).unwrap();
    for number in 0..6 {
        log.append(frame(number, &number.to_string())).unwrap();
        if number % 2 == 0 {
            log.turn_over().unwrap();
        }
    }
    let mut settled = Frame::new();
    settled.push(&Place::new("p", "0"), None);
    log.append(settled).unwrap();
    let (numbers, kept) = read(&path).unwrap();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(kept[&Place::new("p", "0")], None);
    assert_eq!(values(&kept, 6)[1..], expected(6, 6)[1..]);
}

#[test]
fn a_file_that_is_used_again_begins_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    for _ in 0..3 {
        let mut log = WriteLog::begin(&path).unwrap();
        for number in 0..4 {
            log.append(frame(number, &number.to_string())).unwrap();
        }
        let (numbers, kept) = read(&path).unwrap();
        assert_eq!(values(&kept, 4), expected(4, 4));
        remove(&path, numbers[0]).unwrap();
        // As a process that ends before it wrote anything.
        WriteLog::begin(&path).unwrap();
        let (numbers, kept) = read(&path).unwrap();
        assert!(kept.is_empty(), "{} records of the earlier use", kept.len());
        remove(&path, numbers[0]).unwrap();
    }
}

#[test]
fn what_a_failed_write_left_does_not_count_behind_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, "0")).unwrap();
    let (length, sum) = (log.length, log.sum);
    log.append(frame(1, "1")).unwrap();
    log.append(frame(2, "2")).unwrap();
    // As if syncing both had failed: the next frame has exactly the place of the first of them.
    (log.length, log.sum) = (length, sum);
    log.append(frame(1, "9")).unwrap();
    let (_, kept) = read(&path).unwrap();
    let ninth = |sk: &str| Some(packed(&Place::new("p", sk), "9"));
    assert_eq!(values(&kept, 3), [expected(1, 1)[0].clone(), ninth("1"), None, ninth("same")]);
}

#[test]
fn a_log_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.sqlite");
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame(0, "0")).unwrap();
    log.file.write_all_at(&[2], 7).unwrap();
    assert!(read(&path).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_torn_or_damaged_end_loses_no_whole_frame(frames in 1..6_usize, cut in any::<prop::sample::Index>(), damage in any::<Option<u8>>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.sqlite");
        let mut log = WriteLog::begin(&path).unwrap();
        let mut ends = Vec::new();
        for number in 0..frames {
            log.append(frame(number, &number.to_string())).unwrap();
            ends.push(log.length);
        }
        let at = HEADER_BYTES as u64 + cut.index(ends[frames - 1] as usize - HEADER_BYTES) as u64;
        let file = OpenOptions::new().read(true).write(true).open(file_path(&path, 1)).unwrap();
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
        let (_, kept) = read(&path).unwrap();
        prop_assert_eq!(values(&kept, frames), expected(whole, frames));
    }
}
