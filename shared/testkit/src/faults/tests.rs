use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider_application::ports::table::{AttributeValue, Item, Key, Put, Table, TableName};
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};
use postrider_embedded::EmbeddedTable;

use super::*;

fn item(sk: &str) -> Item {
    let attributes = [("pk", "p"), ("sk", sk)];
    attributes.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

/// Puts items 1 to 4 with a fault at the second. Answers which puts succeeded, which items are there, and how many
/// puts were lost.
async fn four_puts(fault: Fault) -> (Vec<bool>, Vec<bool>, usize) {
    let plan = Arc::new(FaultPlan::default());
    let table = FaultyTable::new(Arc::new(EmbeddedTable::in_memory().unwrap()), plan.clone());
    plan.strike_at(2, fault);
    let (mut succeeded, mut there) = (Vec::new(), Vec::new());
    for sk in ["1", "2", "3", "4"] {
        let put = Put { table: TableName::Ledger, item: item(sk), condition: None };
        succeeded.push(table.put(put).await.is_ok());
    }
    assert_eq!(plan.calls(), 4);
    plan.recover();
    for sk in ["1", "2", "3", "4"] {
        there.push(table.get(TableName::Ledger, Key::new("p", sk), true).await.unwrap().is_some());
    }
    (succeeded, there, table.lost_puts().len())
}

#[tokio::test]
async fn an_error_strikes_once_and_a_crash_from_then_on() {
    let (yes, no) = (true, false);
    let one_failed = vec![yes, no, yes, yes];
    assert_eq!(four_puts(Fault::ErrorBefore).await, (one_failed.clone(), vec![yes, no, yes, yes], 1));
    assert_eq!(four_puts(Fault::ErrorAfter).await, (one_failed, vec![yes, yes, yes, yes], 0));
    let died = vec![yes, no, no, no];
    assert_eq!(four_puts(Fault::CrashBefore).await, (died.clone(), vec![yes, no, no, no], 3));
    assert_eq!(four_puts(Fault::CrashAfter).await, (died, vec![yes, yes, no, no], 2));
}

#[derive(Default)]
struct Kept(Mutex<usize>);

#[async_trait::async_trait]
impl Queue for Kept {
    async fn send(&self, _: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        *self.0.lock().unwrap() += messages.len();
        messages.iter().map(|_| Ok(())).collect()
    }
}

#[tokio::test]
async fn a_sending_fails_as_a_whole_before_or_after_it_takes_effect() {
    for (fault, arrived) in [(Fault::ErrorBefore, 0), (Fault::ErrorAfter, 3)] {
        let (plan, kept) = (Arc::new(FaultPlan::default()), Arc::new(Kept::default()));
        let queue = FaultyQueue::new(kept.clone(), plan.clone());
        plan.strike_at(1, fault);
        let message = OutgoingMessage { body: "x".into(), delay: Duration::ZERO, group: "g".into() };
        let results = queue.send(QueueName::Events, vec![message; 3]).await;
        assert!(results.len() == 3 && results.iter().all(Result::is_err));
        assert_eq!(*kept.0.lock().unwrap(), arrived);
    }
}

#[test]
fn a_seed_strikes_the_same_calls_and_about_as_many_as_it_is_told() {
    let struck = |seed| {
        let plan = FaultPlan::default();
        plan.strike_at_random(seed, 10);
        (0..1000).map(|_| plan.next()).collect::<Vec<_>>()
    };
    assert_eq!(struck(7), struck(7));
    assert_ne!(struck(7), struck(8));
    let count = struck(7).iter().flatten().count();
    assert!((60..140).contains(&count), "{count}");
}
