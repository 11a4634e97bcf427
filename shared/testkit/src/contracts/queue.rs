//! The contract of the Queue port. What was sent is looked at with [`Receives`], which each implementation
//! offers in its own way.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use postrider_application::messages::{Body, SkipMessage};
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};
use postrider_domain::{ChannelKind, Timestamp};

use crate::unique::unique;
use crate::wait::eventually;

/// The queue that the cases send to.
pub const QUEUE: QueueName = QueueName::Channel(ChannelKind::Webhook);

/// The largest message in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Takes messages out of the queues, as a consumer that succeeds does.
#[async_trait]
pub trait Receives: Send + Sync {
    /// The bodies of some messages that are visible, perhaps of none. They do not come again.
    async fn receive(&self, queue: QueueName) -> Vec<String>;
}

/// Runs every case. Nobody else may send to, or receive from, these queues meanwhile.
pub async fn queue_contract(queue: &dyn Queue, receives: &dyn Receives) {
    every_message_arrives_as_it_was_sent(queue, receives).await;
    large_messages_that_exceed_a_batch_together_arrive(queue, receives).await;
    what_cannot_be_sent_is_refused_and_the_rest_arrives(queue, receives).await;
    a_delayed_message_is_not_early(queue, receives).await;
    a_queue_has_its_own_messages(queue, receives).await;
}

fn message(body: impl Into<String>) -> OutgoingMessage {
    OutgoingMessage { body: body.into().into(), delay: Duration::ZERO, group: "acme".into() }
}

async fn send(queue: &dyn Queue, messages: Vec<OutgoingMessage>) {
    let count = messages.len();
    let results = queue.send(QUEUE, messages).await;
    assert_eq!(results.len(), count);
    results.into_iter().for_each(|result| result.unwrap());
}

/// Receives until all of these bodies have arrived; others are in nobody's interest.
async fn arrive(receives: &dyn Receives, bodies: impl IntoIterator<Item = String>) {
    let mut missing: HashSet<String> = bodies.into_iter().collect();
    eventually("messages to arrive", async || {
        for body in receives.receive(QUEUE).await {
            missing.remove(&body);
        }
        if missing.is_empty() { Ok(()) } else { Err(format!("{} are missing", missing.len())) }
    })
    .await;
}

/// More messages than a batch holds, with text of all kinds; none at all; and one that was not written yet.
pub async fn every_message_arrives_as_it_was_sent(queue: &dyn Queue, receives: &dyn Receives) {
    assert!(queue.send(QUEUE, Vec::new()).await.is_empty());
    let run = unique("message");
    let text = "{\"a\":\"\\u0000 <&>\\\" ü\u{2028}\u{10FFFF}\"}\r\n\t ";
    let bodies: Vec<String> = (0..25).map(|number| format!("{run} {number} {text}")).collect();
    send(queue, bodies.iter().map(message).collect()).await;
    arrive(receives, bodies).await;
    let single = unique("single");
    send(queue, vec![message(&single)]).await;
    arrive(receives, [single]).await;
    let (tenant, endpoint) = ("acme".parse().unwrap(), "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap());
    let unwritten = SkipMessage::new(&tenant, endpoint, &unique("somebody"), Timestamp::default()).into();
    let text = Body::text(&unwritten).into_owned();
    send(queue, vec![OutgoingMessage::of(&tenant, unwritten, Duration::ZERO)]).await;
    arrive(receives, [text]).await;
}

/// A batch has a limit in bytes, too.
pub async fn large_messages_that_exceed_a_batch_together_arrive(queue: &dyn Queue, receives: &dyn Receives) {
    let run = unique("large");
    let bodies: Vec<String> = [300, 500, 300, 1, 1_000, 700]
        .iter()
        .enumerate()
        .map(|(number, kilobytes)| format!("{run} {number} {}", "x".repeat(kilobytes * 1_000)))
        .chain([format!("{run} {}", "y".repeat(MAX_BYTES - run.len() - 1))])
        .collect();
    send(queue, bodies.iter().map(message).collect()).await;
    arrive(receives, bodies).await;
}

/// One bad message does not fail the others, and the results are in the order of the messages.
pub async fn what_cannot_be_sent_is_refused_and_the_rest_arrives(queue: &dyn Queue, receives: &dyn Receives) {
    let fine: Vec<String> = (0..3).map(|_| unique("fine")).collect();
    let late = OutgoingMessage { delay: Duration::from_millis(900_001), ..message("late") };
    let nobodys = OutgoingMessage { group: "".into(), ..message("nobody's") };
    let crowd = OutgoingMessage { group: "x".repeat(129).into(), ..message("a crowd's") };
    let messages = vec![
        message("x".repeat(MAX_BYTES + 1)),
        message(&fine[0]),
        late,
        nobodys,
        message(&fine[1]),
        crowd,
        message(&fine[2]),
    ];
    let results = queue.send(QUEUE, messages).await;
    let refused: Vec<bool> =
        results.iter().map(|result| matches!(result, Err(QueueError::Refused { .. }))).collect();
    assert_eq!(refused, [true, false, true, true, false, true, false]);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    arrive(receives, fine).await;
}

/// Later is allowed, earlier is not.
pub async fn a_delayed_message_is_not_early(queue: &dyn Queue, receives: &dyn Receives) {
    let (soon, later) = (unique("soon"), unique("later"));
    let delayed =
        |body: &str, millis| OutgoingMessage { delay: Duration::from_millis(millis), ..message(body) };
    let sent_at = Instant::now();
    send(queue, vec![delayed(&later, 1_900), delayed(&soon, 0)]).await;
    arrive(receives, [soon]).await;
    arrive(receives, [later]).await;
    assert!(sent_at.elapsed() >= Duration::from_millis(1_900), "after {:?}", sent_at.elapsed());
}

/// Each queue by itself.
pub async fn a_queue_has_its_own_messages(queue: &dyn Queue, receives: &dyn Receives) {
    let names = [QueueName::Events, QUEUE, QueueName::ChannelDead(ChannelKind::Webhook)];
    for name in names {
        let results = queue.send(name, vec![message(format!("for {name}"))]).await;
        assert!(results[0].is_ok());
    }
    for name in names {
        eventually("a message of its own", async || match receives.receive(name).await.as_slice() {
            [] => Err("nothing".to_owned()),
            [body] if *body == format!("for {name}") => Ok(()),
            other => panic!("{name} has {other:?}"),
        })
        .await;
    }
}
