use std::sync::Mutex;

use postrider_application::system::SystemClock;
use serde_json::json;

use super::*;

const SAMPLE: &str = include_str!("../../../../events/deliver-webhook/batch.json");

/// A batch whose messages have these bodies; their ids are the same.
fn event(bodies: &[&str]) -> SqsEvent {
    let records: Vec<_> = bodies
        .iter()
        .map(|body| {
            json!({
                "messageId": body,
                "body": body,
                "attributes": { "ApproximateReceiveCount": "1" },
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:shop-webhook",
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn context(left: Duration) -> Context {
    let mut context = Context::default();
    context.deadline = SystemClock.now().after(left).as_millis();
    context
}

/// What is reported when messages are dealt with as their bodies say, and which batches the handler got.
async fn run(grouping: Grouping, bodies: &[&str], left: Duration) -> (Vec<String>, Vec<usize>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let seen = seen.clone();
        move |records: Vec<QueueRecord>| {
            seen.lock().unwrap().push(records.len());
            async move {
                let mut failed = Vec::new();
                for record in records {
                    match &*record.body.text() {
                        "panic" => panic!("as it was told"),
                        "hang" => std::future::pending().await,
                        "fail" => failed.push(record.message_id),
                        _ => {}
                    }
                }
                failed
            }
        }
    };
    let answer = answer_batch(&SystemClock, grouping, handler, event(bodies), &context(left)).await.unwrap();
    let mut ids: Vec<_> = answer.batch_item_failures.into_iter().map(|f| f.item_identifier).collect();
    ids.sort();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    (ids, seen)
}

const ENOUGH: Duration = Duration::from_secs(60);

#[tokio::test]
async fn only_what_failed_is_reported() {
    let bodies = ["a", "fail", "b"];
    assert_eq!(run(Grouping::Each, &bodies, ENOUGH).await, (vec!["fail".to_owned()], vec![1, 1, 1]));
    assert_eq!(run(Grouping::Together, &bodies, ENOUGH).await, (vec!["fail".to_owned()], vec![3]));
}

#[tokio::test]
async fn a_panic_is_one_messages_failure() {
    let bodies = ["a", "panic", "b", "fail"];
    let failed = vec!["fail".to_owned(), "panic".to_owned()];
    assert_eq!(run(Grouping::Each, &bodies, ENOUGH).await, (failed.clone(), vec![1, 1, 1, 1]));
    assert_eq!(run(Grouping::Together, &bodies, ENOUGH).await, (failed, vec![1, 1, 1, 1, 4]));
}

#[tokio::test]
async fn what_is_not_over_before_the_deadline_comes_again() {
    let left = MARGIN + Duration::from_millis(100);
    let (failed, _) = run(Grouping::Each, &["a", "hang", "b"], left).await;
    assert_eq!(failed, ["hang"]);
    let (failed, _) = run(Grouping::Together, &["a", "hang"], left).await;
    assert_eq!(failed, ["a", "hang"]);
}

#[tokio::test]
async fn a_message_without_an_id_fails_the_batch() {
    let event: SqsEvent =
        serde_json::from_value(json!({ "Records": [{ "body": "a", "messageId": "" }] })).unwrap();
    let handler = |_: Vec<QueueRecord>| async { Vec::new() };
    assert!(answer_batch(&SystemClock, Grouping::Each, handler, event, &context(ENOUGH)).await.is_err());
}

#[tokio::test]
async fn the_answer_has_the_form_that_lambda_reads() {
    let event: SqsEvent = serde_json::from_str(SAMPLE).unwrap();
    let id = event.records[0].message_id.clone().unwrap();
    let handler = |records: Vec<QueueRecord>| async move { vec![records[0].message_id.clone()] };
    let answer =
        answer_batch(&SystemClock, Grouping::Together, handler, event, &context(ENOUGH)).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": id }] }));
}
