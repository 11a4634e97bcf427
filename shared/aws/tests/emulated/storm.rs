//! Many requests, of which two in five fail in one way or another: nothing is lost, and nothing is there twice.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use postrider_application::ports::table::{Item, Key, Put, Query, Write};
use postrider_application::ports::{Blobs as _, OutgoingMessage, Queue as _, QueueError, Table, TableError};
use postrider_testkit::contracts::queue::{QUEUE, Receives as _};
use postrider_testkit::unique::unique;

use crate::faults::{Faulty, IMPATIENT, TABLE, counted, if_absent, if_version, item};
use crate::proxy::Plan;
use crate::settings::seed;

/// How many callers there are at a time.
const PARALLEL: usize = 16;

/// How often a caller repeats what failed.
const REPEATS: usize = 50;

async fn storm() -> Faulty {
    Faulty::waiting(Plan::seeded(seed()), IMPATIENT).await
}

/// Puts as a caller does that repeats what may not have taken effect. Answers how often it had to.
async fn put_until_done(table: &dyn Table, put: Put) -> usize {
    for repeats in 0..REPEATS {
        match table.put(put.clone()).await {
            Ok(()) => return repeats,
            Err(TableError::Unavailable { .. }) => {}
            Err(TableError::ConditionFailed { current: Some(current) }) => {
                assert!(repeats > 0, "nobody else writes, and yet: {current:?}");
                assert_eq!(*current, put.item, "a put that was reported as failed, whole");
                return repeats;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("never done");
}

#[tokio::test]
async fn every_put_is_there_once_and_nobody_takes_it_for_anothers() {
    let faulty = storm().await;
    let (table, pk) = (&faulty.table(), &unique("puts"));
    let repeats: Vec<usize> = stream::iter(0..120)
        .map(|number| async move {
            let sk = format!("{number:03}");
            let mut repeats = put_until_done(table, if_absent(item(pk, &sk, 1))).await;
            for version in 1..4 {
                repeats += put_until_done(table, if_version(item(pk, &sk, version + 1), version)).await;
            }
            repeats
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let found = faulty.direct_table().query(Query::partition(TABLE, &**pk)).await.unwrap().items;
    let expected: Vec<Item> = (0..120).map(|number| item(pk, &format!("{number:03}"), 4)).collect();
    assert!(found == expected, "{found:?}");
    let (requests, repeats) = (faulty.proxy.count("PutItem"), repeats.iter().sum::<usize>());
    println!("480 puts, {requests} requests, {repeats} repeated by their callers");
    assert!(requests > 600, "there were failures");
}

#[tokio::test]
async fn every_transaction_is_applied_once() {
    let faulty = storm().await;
    let (table, direct) = (&faulty.table(), &faulty.direct_table());
    let lanes = (0..12).map(|_| async move {
        let pk = unique("lane");
        for number in 0..10 {
            let sk = number.to_string();
            let mut done = false;
            for repeats in 0..REPEATS {
                match table.transact(counted(&pk, &sk)).await {
                    Ok(()) => done = true,
                    Err(TableError::Unavailable { .. } | TableError::Conflict) => continue,
                    Err(TableError::ConditionFailed { .. }) if repeats > 0 => done = true,
                    Err(error) => panic!("{repeats}: {error:?}"),
                }
                break;
            }
            assert!(done, "never done");
            assert!(direct.get(TABLE, Key::new(&*pk, sk), true).await.unwrap().is_some());
        }
        let counter = direct.get(TABLE, Key::new(&*pk, "COUNTER"), true).await.unwrap().unwrap();
        assert_eq!(counter, item(&pk, "COUNTER", 10), "ten rows, each counted once");
    });
    stream::iter(lanes).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
    let requests = faulty.proxy.count("TransactWriteItems");
    println!("120 transactions, {requests} requests");
    assert!(requests > 150, "there were failures");
}

#[tokio::test]
async fn every_message_that_was_taken_is_in_the_queue() {
    let faulty = storm().await;
    let queues = &faulty.deployment.queues(&faulty.clients);
    let sent: Vec<(String, bool)> = stream::iter(0..30)
        .map(|sender| async move {
            let bodies: Vec<String> = (0..25).map(|number| format!("{sender} {number}")).collect();
            let message = |body: &String| OutgoingMessage {
                body: body.clone().into(),
                delay: Duration::ZERO,
                group: format!("tenant-{sender}").into(),
            };
            let results = queues.send(QUEUE, bodies.iter().map(message).collect()).await;
            assert_eq!(results.len(), bodies.len());
            let taken = results.into_iter().map(|result| match result {
                Ok(()) => true,
                Err(QueueError::Unavailable { .. }) => false,
                Err(error) => panic!("{error:?}"),
            });
            bodies.iter().cloned().zip(taken).collect::<Vec<_>>()
        })
        .buffer_unordered(PARALLEL)
        .collect::<Vec<_>>()
        .await
        .concat();
    let mut received: HashMap<String, usize> = HashMap::new();
    loop {
        let bodies = faulty.deployment.receive(QUEUE).await;
        if bodies.is_empty() {
            break;
        }
        bodies.into_iter().for_each(|body| *received.entry(body).or_default() += 1);
    }
    let taken: HashSet<&String> = sent.iter().filter(|(_, taken)| *taken).map(|(body, _)| body).collect();
    let lost: Vec<_> = taken.iter().filter(|body| !received.contains_key(**body)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let twice = received.values().filter(|count| **count > 1).count();
    println!(
        "{} messages, {} reported as sent, {} arrived, {twice} more than once, {} requests",
        sent.len(),
        taken.len(),
        received.len(),
        faulty.proxy.count("SendMessageBatch")
    );
    assert!(taken.len() > sent.len() / 2 && received.len() <= sent.len());
}

#[tokio::test]
async fn every_read_is_whole_or_an_error() {
    let faulty = storm().await;
    let (table, pk) = (&faulty.table(), &unique("reads"));
    for portion in 0..3 {
        let writes =
            (0..100).map(|n| Write::Put(if_absent(item(pk, &format!("{portion}{n:02}"), 1)))).collect();
        faulty.direct_table().transact(writes).await.unwrap();
    }
    let keys = &(0..300).map(|number| Key::new(&**pk, format!("{number:03}"))).collect::<Vec<_>>();
    let outcomes: Vec<bool> = stream::iter(0..90)
        .map(|number: usize| async move {
            let found = match number % 3 {
                0 => table.batch_get(TABLE, keys.clone()).await.map(|items| items.len()),
                1 => table.query(Query::partition(TABLE, &**pk)).await.map(|page| page.items.len()),
                _ => table.get(TABLE, keys[number].clone(), true).await.map(|item| 300 * item.iter().len()),
            };
            match found {
                Ok(found) => {
                    assert_eq!(found, 300);
                    true
                }
                Err(TableError::Unavailable { .. }) => false,
                Err(error) => panic!("{error:?}"),
            }
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let answered = outcomes.iter().filter(|answered| **answered).count();
    println!("90 reads, {answered} answered, {} requests of batches", faulty.proxy.count("BatchGetItem"));
    assert!(answered > 45);
}

#[tokio::test]
async fn every_blob_that_was_stored_can_be_read() {
    let faulty = storm().await;
    let (blobs, direct) =
        (&faulty.deployment.blobs(&faulty.clients), &faulty.deployment.blobs(&faulty.deployment.direct));
    let outcomes: Vec<(bool, bool)> = stream::iter(0..60)
        .map(|number| async move {
            let (key, content) = (unique("payloads/acme"), Bytes::from(number.to_string().repeat(20_000)));
            let stored = blobs.put(&key, content.clone()).await.is_ok();
            if stored {
                assert!(direct.get(&key).await.unwrap().unwrap() == content);
            } else {
                direct.put(&key, content.clone()).await.unwrap();
            }
            let read = blobs.get(&key).await;
            if let Ok(read) = &read {
                assert!(*read == Some(content), "what is there is never taken for missing");
            }
            (stored, read.is_ok())
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let stored = outcomes.iter().filter(|(stored, _)| *stored).count();
    let read = outcomes.iter().filter(|(_, read)| *read).count();
    println!("60 blobs, {stored} stored, {read} read");
    assert!(stored > 30 && read > 30);
}
