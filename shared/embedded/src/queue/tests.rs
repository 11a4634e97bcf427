use std::sync::atomic::{AtomicU64, Ordering};

use postrider_application::system::SystemClock;
use postrider_domain::ChannelKind;
use postrider_testkit::contracts::queue::{Receives, queue_contract};
use proptest::prelude::*;

use postrider_application::messages::{Body, EventsMessage, JobMessage};
use postrider_application::ports::QueueRecord;

use super::*;

const QUEUE: QueueName = QueueName::Channel(ChannelKind::Webhook);
const DEAD: QueueName = QueueName::ChannelDead(ChannelKind::Webhook);
const VISIBILITY: Duration = Duration::from_secs(30);

/// A clock that stands until it is moved.
#[derive(Default)]
struct StandingClock(AtomicU64);

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

fn clock() -> (Arc<StandingClock>, Arc<dyn Clock>) {
    let clock = Arc::new(StandingClock::default());
    clock.0.store(1_000_000, Ordering::SeqCst);
    (Arc::clone(&clock), clock)
}

fn message(body: &str, delay: u64) -> OutgoingMessage {
    OutgoingMessage { body: body.into(), delay: Duration::from_secs(delay), group: "acme".into() }
}

async fn send(queues: &LocalQueues, body: &str, delay: u64) {
    assert!(queues.send(QUEUE, vec![message(body, delay)]).await.remove(0).is_ok());
}

fn receive(queues: &LocalQueues, queue: QueueName) -> Vec<(u64, String, u32)> {
    let received = queues.receive(queue, 10, VISIBILITY, |_| true);
    let shown = |HandedOut { id, record, .. }| (id, record.body.text().into_owned(), record.receive_count);
    received.into_iter().map(shown).collect()
}

#[tokio::test]
async fn a_message_is_invisible_while_it_is_dealt_with_and_comes_again() {
    let (time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    send(&queues, "a", 0).await;
    let first = receive(&queues, QUEUE);
    assert_eq!((first[0].1.as_str(), first[0].2), ("a", 1));
    assert!(receive(&queues, QUEUE).is_empty());
    time.0.fetch_add(30_000, Ordering::SeqCst);
    let second = receive(&queues, QUEUE);
    assert_eq!((second[0].0, second[0].2), (first[0].0, 2));
    queues.delete(QUEUE, &[first[0].0]);
    time.0.fetch_add(30_000, Ordering::SeqCst);
    assert!(receive(&queues, QUEUE).is_empty());
    assert_eq!(queues.depth(QUEUE), 0);
}

#[tokio::test]
async fn a_message_is_handed_out_as_it_was_sent_or_as_the_text_that_the_log_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LocalQueues::in_file(&folder.path().join("queue"), clock().1).unwrap();
    let job = JobMessage::new(&"acme".parse().unwrap(), "job_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap(), 3);
    let text = Body::from(job.clone()).text().into_owned();
    let message = || OutgoingMessage::of(&"acme".parse().unwrap(), job.clone(), Duration::ZERO);
    let handed_out = |queues: &LocalQueues| {
        let body = queues.receive(QueueName::Events, 1, VISIBILITY, |_| true).remove(0).record.body;
        let EventsMessage::Job(read) = body.events().unwrap() else { panic!("another kind") };
        assert_eq!((read.job, read.portion), (job.job, job.portion));
        body.as_text().map(str::to_owned)
    };
    let queues = LocalQueues::in_memory(clock().1);
    queues.send(QueueName::Events, vec![message()]).await.remove(0).unwrap();
    assert_eq!(handed_out(&queues), None);
    let queues = open();
    queues.send(QueueName::Events, vec![message()]).await.remove(0).unwrap();
    assert_eq!(handed_out(&queues).as_ref(), Some(&text));
    drop(queues);
    assert_eq!(handed_out(&open()), Some(text));
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let (time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    send(&queues, "late", 900).await;
    send(&queues, "soon", 1).await;
    assert!(receive(&queues, QUEUE).is_empty());
    time.0.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(receive(&queues, QUEUE)[0].1, "soon");
    time.0.fetch_add(898_999, Ordering::SeqCst);
    assert!(receive(&queues, QUEUE).iter().all(|(_, body, _)| body == "soon"));
    time.0.fetch_add(1, Ordering::SeqCst);
    assert!(receive(&queues, QUEUE).iter().any(|(_, body, _)| body == "late"));
}

#[tokio::test]
async fn a_message_that_is_handed_out_too_often_goes_to_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let (time, clock) = clock();
    let queues = LocalQueues::in_file(&folder.path().join("queue"), clock).unwrap();
    send(&queues, "poison", 0).await;
    for count in 1..=MAX_RECEIVES {
        assert_eq!(receive(&queues, QUEUE)[0].2, count);
        time.0.fetch_add(30_000, Ordering::SeqCst);
    }
    assert!(receive(&queues, QUEUE).is_empty());
    assert_eq!(receive(&queues, DEAD)[0].1, "poison");
    assert_eq!((queues.depth(QUEUE), queues.depth(DEAD)), (0, 1));
}

#[tokio::test]
async fn what_was_handed_out_before_a_crash_comes_again_as_a_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let (_time, clock) = clock();
    let queues = LocalQueues::in_file(&path, Arc::clone(&clock)).unwrap();
    send(&queues, "in flight", 0).await;
    send(&queues, "delayed", 60).await;
    send(&queues, "done", 0).await;
    let received = receive(&queues, QUEUE);
    let done = received.iter().find(|(_, body, _)| body == "done").unwrap().0;
    queues.delete(QUEUE, &[done]);
    queues.flush().await;
    drop(queues);
    let queues = LocalQueues::in_file(&path, clock).unwrap();
    assert_eq!(queues.depth(QUEUE), 2);
    let received = receive(&queues, QUEUE);
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].1.as_str(), received[0].2), ("in flight", 2));
}

#[tokio::test]
async fn restarts_do_not_use_up_the_receives_of_messages_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let (time, clock) = clock();
    let queues = LocalQueues::in_file(&path, Arc::clone(&clock)).unwrap();
    send(&queues, "patient", 0).await;
    drop(queues);
    for _ in 0..3 * MAX_RECEIVES {
        let queues = LocalQueues::in_file(&path, Arc::clone(&clock)).unwrap();
        queues.flush().await;
        time.0.fetch_add(1_000, Ordering::SeqCst);
    }
    let queues = LocalQueues::in_file(&path, clock).unwrap();
    assert_eq!(receive(&queues, QUEUE)[0].2, 2);
}

#[tokio::test]
async fn a_message_that_kills_the_process_each_time_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let (time, clock) = clock();
    let queues = LocalQueues::in_file(&path, Arc::clone(&clock)).unwrap();
    send(&queues, "deadly", 0).await;
    drop(queues);
    let mut starts = 0;
    loop {
        let queues = LocalQueues::in_file(&path, Arc::clone(&clock)).unwrap();
        time.0.fetch_add(31_000, Ordering::SeqCst);
        let received = receive(&queues, QUEUE);
        queues.flush().await;
        if received.is_empty() {
            assert_eq!(receive(&queues, DEAD)[0].1, "deadly");
            break;
        }
        starts += 1;
        assert!(starts <= MAX_RECEIVES, "never given up");
    }
}

#[async_trait]
impl Receives for LocalQueues {
    async fn receive(&self, queue: QueueName) -> Vec<String> {
        let (ids, bodies): (Vec<u64>, Vec<String>) = receive(self, queue)
            .into_iter()
            .map(|(id, body, count)| {
                assert_eq!(count, 1);
                (id, body)
            })
            .unzip();
        self.delete(queue, &ids);
        bodies
    }
}

#[tokio::test]
async fn the_contract_is_kept_in_memory_and_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let clock = || Arc::new(SystemClock);
    let file = LocalQueues::in_file(&path, clock()).unwrap();
    for queues in [LocalQueues::in_memory(clock()), file] {
        queue_contract(&*queues, &*queues).await;
    }
}

#[tokio::test]
async fn an_event_source_hands_on_batches_and_keeps_what_failed() {
    let (time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    for number in 0..25 {
        send(&queues, &number.to_string(), 0).await;
    }
    let (sizes, mut received) = tokio::sync::mpsc::unbounded_channel();
    let handler: Handler = Arc::new(move |records: Vec<QueueRecord>| {
        sizes.send(records.len()).unwrap();
        let failed = records.iter().filter(|r| r.body.text() == "7" && r.receive_count == 1);
        let failed = failed.map(|record| record.message_id.clone()).collect();
        Box::pin(async move { failed })
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let grouping = Grouping::Together;
    let config = EventSourceConfig { batch_size: 10, concurrency: 1, grouping, visibility: VISIBILITY };
    let source = EventSource::new(Arc::clone(&queues), QUEUE, config, handler);
    let running = tokio::spawn(source.run(stopped));
    let mut seen = Vec::new();
    while seen.iter().sum::<usize>() < 25 {
        seen.push(received.recv().await.unwrap());
    }
    assert_eq!(seen, [10, 10, 5]);
    time.0.fetch_add(30_000, Ordering::SeqCst);
    // Anything that arrives makes the source look again.
    send(&queues, "more", 0).await;
    while seen.iter().sum::<usize>() < 27 {
        seen.push(received.recv().await.unwrap());
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(queues.depth(QUEUE), 0);
}

#[tokio::test]
async fn a_group_whose_batches_take_long_leaves_room_for_others() {
    let (_time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    let (begun, mut batches) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let handler: Handler = Arc::new(move |records: Vec<QueueRecord>| {
        begun.send(records.iter().map(|record| record.body.text().into_owned()).collect::<Vec<_>>()).unwrap();
        let (is_slow, mut released) = (records.iter().any(|r| r.body.text() == "noisy"), released.clone());
        Box::pin(async move {
            if is_slow {
                released.wait_for(|released| *released).await.unwrap();
            }
            Vec::new()
        })
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let grouping = Grouping::Together;
    let config = EventSourceConfig { batch_size: 3, concurrency: 4, grouping, visibility: VISIBILITY };
    let source = EventSource::new(Arc::clone(&queues), QUEUE, config, handler);
    let send = async |group: &str| {
        let message = OutgoingMessage { group: group.into(), ..message(group, 0) };
        assert!(queues.send(QUEUE, vec![message]).await.remove(0).is_ok());
    };
    for _ in 0..20 {
        send("noisy").await;
    }
    let running = tokio::spawn(source.run(stopped));
    for _ in 0..2 {
        assert_eq!(batches.recv().await.unwrap(), ["noisy"; 3]);
    }
    for _ in 0..10 {
        send("quiet").await;
        assert_eq!(batches.recv().await.unwrap(), ["quiet"], "alone, and at once");
    }
    release.send(true).unwrap();
    let mut count = 6;
    while count < 20 {
        count += batches.recv().await.unwrap().len();
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(queues.depth(QUEUE), 0);
}

#[tokio::test]
async fn what_was_dealt_with_does_not_stay_in_the_order_until_it_would_be_visible_again() {
    let (_, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    for _ in 0..50 {
        send(&queues, "a", 0).await;
        let ids: Vec<u64> = receive(&queues, QUEUE).iter().map(|(id, ..)| *id).collect();
        queues.delete(QUEUE, &ids);
    }
    assert!(receive(&queues, QUEUE).is_empty());
    assert_eq!(queues.shared(QUEUE).lock().entries(), 0);
}

#[tokio::test]
async fn a_message_that_takes_long_keeps_no_others_place() {
    let (_time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let handler: Handler = Arc::new(move |records: Vec<QueueRecord>| {
        let (body, mut released) = (records[0].body.text().into_owned(), released.clone());
        assert_eq!(records.len(), 1);
        arrived.send(body.clone()).unwrap();
        let failed = if body == "bad" { vec![records[0].message_id.clone()] } else { Vec::new() };
        Box::pin(async move {
            if body == "slow" {
                released.wait_for(|released| *released).await.unwrap();
            }
            failed
        })
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let grouping = Grouping::Apart;
    let config = EventSourceConfig { batch_size: 10, concurrency: 1, grouping, visibility: VISIBILITY };
    let source = EventSource::new(Arc::clone(&queues), QUEUE, config, handler);
    let running = tokio::spawn(source.run(stopped));
    for _ in 0..9 {
        send(&queues, "slow", 0).await;
    }
    for _ in 0..30 {
        send(&queues, "fast", 0).await;
    }
    send(&queues, "bad", 0).await;
    let mut seen = Vec::new();
    while seen.len() < 40 {
        seen.push(arrivals.recv().await.unwrap());
    }
    assert_eq!(seen.iter().filter(|body| *body == "fast").count(), 30);
    release.send(true).unwrap();
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(queues.depth(QUEUE), 1, "only what failed is left");
}

/// A panic took the other messages of its batch with it, again and again, until all of them were given up.
#[tokio::test]
async fn a_panic_is_one_messages_failure() {
    for grouping in [Grouping::Apart, Grouping::Together] {
        let (time, clock) = clock();
        let queues = LocalQueues::in_memory(clock);
        for body in ["a", "panic", "b"] {
            send(&queues, body, 0).await;
        }
        let handler: Handler = Arc::new(|records: Vec<QueueRecord>| {
            Box::pin(async move {
                assert!(records.iter().all(|record| record.body.text() != "panic"), "as it was told");
                Vec::new()
            })
        });
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let config = EventSourceConfig { batch_size: 10, grouping, concurrency: 1, visibility: VISIBILITY };
        let source = EventSource::new(Arc::clone(&queues), QUEUE, config, handler);
        let running = tokio::spawn(source.run(stopped));
        while queues.depth(QUEUE) > 1 {
            tokio::task::yield_now().await;
        }
        while queues.depth(DEAD) == 0 {
            time.0.fetch_add(30_000, Ordering::SeqCst);
            queues.shared(QUEUE).arrived.notify_one();
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
        running.await.unwrap();
        let dead: Vec<_> = receive(&queues, DEAD).into_iter().map(|(_, body, _)| body).collect();
        assert_eq!((queues.depth(QUEUE), dead), (0, vec!["panic".to_owned()]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order, no message is lost and none is in two places.
    #[test]
    fn nothing_is_lost(steps in proptest::collection::vec(0_u8..4, 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (time, clock) = clock();
            let queues = LocalQueues::in_memory(clock);
            let (mut sent, mut done) = (0, 0);
            for step in steps {
                match step {
                    0 => { send(&queues, "x", 0).await; sent += 1; }
                    1 => { receive(&queues, QUEUE); }
                    2 => {
                        let ids: Vec<u64> = receive(&queues, QUEUE).iter().map(|(id, ..)| *id).collect();
                        done += ids.len();
                        queues.delete(QUEUE, &ids);
                    }
                    _ => { time.0.fetch_add(31_000, Ordering::SeqCst); }
                }
                assert_eq!(queues.depth(QUEUE) + queues.depth(DEAD) + done, sent);
            }
        });
    }
}

/// What a flood and others were handed out: their names, in order.
async fn take_fairly(sent: &[(&str, usize)], batches: usize) -> Vec<String> {
    let (_time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    for (group, count) in sent {
        let message = || OutgoingMessage { group: (*group).into(), ..message(group, 0) };
        let messages = (0..*count).map(|_| message()).collect();
        assert!(queues.send(QUEUE, messages).await.iter().all(Result::is_ok));
    }
    (0..batches).flat_map(|_| receive(&queues, QUEUE)).map(|(_, body, _)| body).collect()
}

#[tokio::test]
async fn who_sends_little_does_not_wait_behind_who_sends_much() {
    let taken = take_fairly(&[("flood", 1_000), ("quiet", 2), ("other", 1)], 1).await;
    assert_eq!(taken[..5], ["flood", "other", "quiet", "flood", "quiet"].map(str::to_owned)[..]);
    let alone = take_fairly(&[("flood", 25)], 4).await;
    assert_eq!(alone.len(), 25, "who is alone gets everything");
}

#[tokio::test]
async fn who_has_much_under_way_waits_behind_everybody_else() {
    let (time, clock) = clock();
    let queues = LocalQueues::in_memory(clock);
    let send = async |group: &str, count: usize| {
        let message = || OutgoingMessage { group: group.into(), ..message(group, 0) };
        queues.send(QUEUE, (0..count).map(|_| message()).collect()).await;
    };
    send("slow", 30).await;
    let under_way = receive(&queues, QUEUE);
    send("quiet", 9).await;
    let next: Vec<_> = receive(&queues, QUEUE).into_iter().map(|(_, body, _)| body).collect();
    assert_eq!(next.iter().filter(|body| *body == "quiet").count(), 9);
    // What was dealt with counts no more, and neither does what comes again.
    queues.delete(QUEUE, &under_way.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
    time.0.fetch_add(30_000, Ordering::SeqCst);
    send("late", 3).await;
    let next: Vec<_> = receive(&queues, QUEUE).into_iter().map(|(_, body, _)| body).collect();
    let count = |group: &str| next.iter().filter(|body| *body == group).count();
    assert_eq!((count("late"), count("quiet") + count("slow")), (3, 7));
    assert!(count("quiet") >= 3 && count("slow") >= 3, "{next:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever is handed a message has no more under way than any other group that has one to be handed out, and
    /// whatever was sent is handed out in the end.
    #[test]
    fn the_one_with_the_least_under_way_is_next(steps in proptest::collection::vec((0_u8..4, 0_u8..4, 1_usize..6), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_time, clock) = clock();
            let queues = LocalQueues::in_memory(clock);
            let (mut waiting, mut under_way) = ([0_usize; 4], [const { Vec::<u64>::new() }; 4]);
            let take = |waiting: &mut [usize; 4], under_way: &mut [Vec<u64>; 4], count| {
                let received = queues.receive(QUEUE, count, VISIBILITY, |_| true);
                for HandedOut { id, record, .. } in &received {
                    let group: usize = record.body.text().parse().unwrap();
                    for other in (0..4).filter(|other| waiting[*other] > 0) {
                        assert!(under_way[group].len() <= under_way[other].len(), "{group} before {other}");
                    }
                    waiting[group] -= 1;
                    under_way[group].push(*id);
                }
                received.len()
            };
            for (step, group, count) in steps {
                let group = usize::from(group);
                match step {
                    0 | 1 => {
                        let name = group.to_string();
                        let message = || OutgoingMessage { group: format!("g{name}").into(), ..message(&name, 0) };
                        queues.send(QUEUE, (0..count).map(|_| message()).collect()).await;
                        waiting[group] += count;
                    }
                    2 => { take(&mut waiting, &mut under_way, count); }
                    _ => {
                        let done: Vec<u64> = (0..count).filter_map(|_| under_way[group].pop()).collect();
                        queues.delete(QUEUE, &done);
                    }
                }
            }
            while take(&mut waiting, &mut under_way, 10) > 0 {}
            assert_eq!(waiting, [0; 4]);
        });
    }
}
