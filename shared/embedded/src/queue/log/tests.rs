use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use postrider_domain::{ChannelKind, Timestamp};
use proptest::prelude::*;
use rusqlite::Connection;

use super::super::state::Touch;
use super::*;
use crate::write_log::FILE_BYTES;

const QUEUE: QueueName = QueueName::Channel(ChannelKind::Webhook);
const DEAD: QueueName = QueueName::ChannelDead(ChannelKind::Webhook);

fn message(id: u64, body: &str) -> Message {
    Message::kept(id, body.to_owned(), "acme".to_owned(), Timestamp::from_millis(id), 0)
}

fn sent(id: u64, body: &str) -> LogEntry {
    LogEntry::Sent(QUEUE, message(id, body))
}

/// What is known of each message: queue, body, moment and count.
type Model = BTreeMap<u64, (QueueName, String, u64, u32)>;

fn model(kept: Vec<(QueueName, Message)>) -> Model {
    let known = |(queue, message): (QueueName, Message)| {
        let Message { id, body, visible_at, receive_count, .. } = message;
        (id, (queue, body.text().into_owned(), visible_at.as_millis(), receive_count))
    };
    kept.into_iter().map(known).collect()
}

/// What a copy of the files holds: what would be found after the process was killed now.
fn after_a_crash(folder: &Path) -> Model {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        // What is put away in this moment is not there any more.
        fs::copy(file.path(), copy.path().join(file.file_name())).ok();
    }
    model(Log::open(&copy.path().join("queue")).unwrap().1)
}

/// How many files there are that may hold something.
fn files(folder: &Path) -> usize {
    write_log::numbers(&folder.join("queue")).unwrap().len()
}

#[tokio::test]
async fn one_that_waits_long_does_not_keep_the_files_since() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(&folder.path().join("queue")).unwrap();
    log.synced(vec![sent(1, "waits"), sent(2, "waits, too"), sent(3, "dead")]).await.unwrap();
    let touch = Touch { id: 2, visible_at: Timestamp::from_millis(77), receive_count: 3 };
    log.synced(vec![LogEntry::Touched(touch), LogEntry::Moved { id: 3, to: DEAD }]).await.unwrap();
    let body = "x".repeat(1024 * 1024);
    for id in 10..110 {
        log.synced(vec![sent(id, &body)]).await.unwrap();
        log.append(vec![LogEntry::Removed(id)]);
    }
    log.synced(Vec::new()).await.unwrap();
    let expected: Model = [
        (1, (QUEUE, "waits".to_owned(), 1, 0)),
        (2, (QUEUE, "waits, too".to_owned(), 77, 3)),
        (3, (DEAD, "dead".to_owned(), 3, 0)),
    ]
    .into();
    assert_eq!(after_a_crash(folder.path()), expected);
    let deadline = Instant::now() + Duration::from_secs(60);
    while files(folder.path()) > 3 {
        assert!(Instant::now() < deadline, "{} files of {FILE_BYTES} bytes", files(folder.path()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(log);
    assert_eq!(model(Log::open(&folder.path().join("queue")).unwrap().1), expected);
}

#[tokio::test]
async fn starts_without_work_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let (log, kept) = Log::open(&folder.path().join("queue")).unwrap();
        assert!(kept.is_empty());
        log.synced(Vec::new()).await.unwrap();
        // The other thread gets to it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let count = fs::read_dir(folder.path()).unwrap().count();
    assert!(count <= 4, "{count} files");
}

#[tokio::test]
async fn what_an_earlier_version_kept_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("queue.sqlite");
    let connection = Connection::open(&database).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE message (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, body TEXT NOT NULL,
                message_group TEXT NOT NULL, visible_at INTEGER NOT NULL, receive_count INTEGER NOT NULL) STRICT;
             INSERT INTO message VALUES (4, 'webhook', 'a', 'acme', 1000, 2), (9, 'webhook-dlq', 'b', 'acme', 5, 0);",
        )
        .unwrap();
    drop(connection);
    let expected: Model = [(4, (QUEUE, "a".to_owned(), 1000, 2)), (9, (DEAD, "b".to_owned(), 5, 0))].into();
    let (log, kept) = Log::open(&folder.path().join("queue")).unwrap();
    assert_eq!(model(kept), expected);
    assert!(!fs::exists(&database).unwrap());
    log.synced(vec![LogEntry::Removed(4)]).await.unwrap();
    drop(log);
    let (_log, kept) = Log::open(&folder.path().join("queue")).unwrap();
    assert_eq!(model(kept).into_keys().collect::<Vec<_>>(), [9]);
}

#[test]
fn messages_for_a_queue_that_is_not_known_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let mut frame = Frame::new();
    sent(1, "a").write(&mut frame);
    let mut newer = Frame::new();
    let mut log = WriteLog::begin(&path).unwrap();
    log.append(frame).unwrap();
    newer.extend(&[3, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    newer.extend(b"pigeo");
    log.append(newer).unwrap();
    drop(log);
    let error = Log::open(&path).err().unwrap();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("the queue pigeo, which this version does not have"), "{text}");
}

/// What happens to messages, by their numbers.
#[derive(Debug, Clone)]
enum Step {
    Send { large: bool },
    Touch(usize),
    Move(usize),
    Remove(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|large| Step::Send { large }),
        2 => any::<usize>().prop_map(Step::Touch),
        1 => any::<usize>().prop_map(Step::Move),
        5 => any::<usize>().prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Large messages fill files, so that some are put away and others carried over on the way.
    #[test]
    fn whatever_happens_the_files_hold_what_is_left(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("queue");
            let (mut log, mut expected, mut last) = (Log::open(&path).unwrap().0, Model::new(), 0);
            for step in steps {
                let chosen = |number: usize| {
                    (!expected.is_empty()).then(|| *expected.keys().nth(number % expected.len()).unwrap())
                };
                match step {
                    Step::Send { large } => {
                        last += 1;
                        let body = if large { format!("{last}").repeat(900_000) } else { last.to_string() };
                        log.synced(vec![sent(last, &body)]).await.unwrap();
                        expected.insert(last, (QUEUE, body, last, 0));
                    }
                    Step::Touch(number) => {
                        let Some(id) = chosen(number) else { continue };
                        let known = expected.get_mut(&id).unwrap();
                        (known.2, known.3) = (known.2 + 5, known.3 + 1);
                        let (visible_at, receive_count) = (Timestamp::from_millis(known.2), known.3);
                        log.append(vec![LogEntry::Touched(Touch { id, visible_at, receive_count })]);
                    }
                    Step::Move(number) => {
                        let Some(id) = chosen(number) else { continue };
                        let known = expected.get_mut(&id).unwrap();
                        (known.0, known.3) = (DEAD, 0);
                        log.append(vec![LogEntry::Moved { id, to: DEAD }]);
                    }
                    Step::Remove(number) => {
                        let Some(id) = chosen(number) else { continue };
                        expected.remove(&id);
                        log.append(vec![LogEntry::Removed(id)]);
                    }
                    Step::Reopen => {
                        drop(log);
                        let (opened, kept) = Log::open(&path).unwrap();
                        log = opened;
                        assert!(model(kept) == expected, "after an end");
                    }
                }
            }
            log.synced(Vec::new()).await.unwrap();
            assert!(after_a_crash(folder.path()) == expected, "after a crash");
        });
    }
}
