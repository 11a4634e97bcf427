//! One failure at a time: what the adapters make of it.

use std::time::Duration;

use postrider_application::ports::table::{
    AttributeValue, Expression, Item, Key, Put, Query, Update, Value, Write,
};
use postrider_application::ports::{
    OutgoingMessage, Queue as _, QueueError, Table as _, TableError, TableName,
};
use postrider_aws::DynamoTable;
use postrider_testkit::contracts::queue::{QUEUE, Receives as _};
use postrider_testkit::unique::unique;
use postrider_testkit::wait::eventually;

use crate::deployment::{Clients, Deployment};
use crate::proxy::{Fault, Plan, Proxy};

pub(crate) const TABLE: TableName = TableName::Ledger;

/// How long a client waits for an answer: long enough for the emulator to be slow.
const PATIENT: Duration = Duration::from_secs(4);

/// The same where attempts are not counted: an answer that comes later is one more failure.
pub(crate) const IMPATIENT: Duration = Duration::from_secs(1);

/// The failures after which a write has taken effect, though nobody says so.
const LOST_ANSWERS: [Fault; 3] = [Fault::DropAfter, Fault::FailAfter, Fault::Hang];

/// A deployment, and clients that see it through a proxy.
pub(crate) struct Faulty {
    pub(crate) deployment: Deployment,
    pub(crate) proxy: Proxy,
    pub(crate) clients: Clients,
}

impl Faulty {
    pub(crate) async fn start(plan: Plan) -> Self {
        Self::waiting(plan, PATIENT).await
    }

    /// Clients that wait for as long as this for each answer.
    pub(crate) async fn waiting(plan: Plan, attempt: Duration) -> Self {
        let deployment = Deployment::create().await;
        let proxy = Proxy::start(plan).await;
        let clients = Clients::at(proxy.address(), attempt).await;
        Self { deployment, proxy, clients }
    }

    pub(crate) fn table(&self) -> DynamoTable {
        self.deployment.table(&self.clients)
    }

    /// The table without failures.
    pub(crate) fn direct_table(&self) -> DynamoTable {
        self.deployment.table(&self.deployment.direct)
    }
}

pub(crate) fn item(pk: &str, sk: &str, version: u64) -> Item {
    let mut item = Key::new(pk, sk).into_item();
    item.insert("version".to_owned(), AttributeValue::N(version.to_string()));
    item
}

pub(crate) fn if_absent(item: Item) -> Put {
    Put { table: TABLE, item, condition: Some(Expression::new("attribute_not_exists(pk)")) }
}

pub(crate) fn if_version(item: Item, version: u64) -> Put {
    let condition = Expression::new("version = :version").number_value(":version", version);
    Put { table: TABLE, item, condition: Some(condition) }
}

/// A row, and the counter of its partition.
pub(crate) fn counted(pk: &str, sk: &str) -> Vec<Write> {
    let update = Expression::new("ADD version :one").number_value(":one", 1);
    let count = Update { table: TABLE, key: Key::new(pk, "COUNTER"), update, condition: None };
    vec![Write::Put(if_absent(item(pk, sk, 1))), Write::Update(count)]
}

fn message(body: &str) -> OutgoingMessage {
    OutgoingMessage { body: body.into(), delay: Duration::ZERO, group: "acme".into() }
}

/// The second request found what the first had written, and reported an event that was new as a repetition.
#[tokio::test]
async fn a_put_whose_answer_was_lost_is_known_again() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let (table, direct) = (faulty.table(), faulty.direct_table());
    for fault in LOST_ANSWERS {
        let pk = unique("lost");
        let before = faulty.proxy.count("PutItem");
        faulty.proxy.set(Plan::script(&[fault]));
        table.put(if_absent(item(&pk, "1", 1))).await.unwrap();
        faulty.proxy.set(Plan::script(&[fault, fault]));
        table.put(if_version(item(&pk, "1", 2), 1)).await.unwrap();
        assert_eq!(faulty.proxy.count("PutItem") - before, 5, "{fault:?}");
        assert_eq!(direct.get(TABLE, Key::new(&*pk, "1"), true).await.unwrap(), Some(item(&pk, "1", 2)));
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_is_not_taken_for_ones_own() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let (table, direct) = (faulty.table(), faulty.direct_table());
    let pk = unique("others");
    direct.put(if_absent(item(&pk, "1", 1))).await.unwrap();
    // Sent once, the same item is another one's.
    let error = table.put(if_absent(item(&pk, "1", 1))).await.unwrap_err();
    assert!(matches!(error, TableError::ConditionFailed { current: Some(_) }), "{error:?}");
    // Sent more often, another item is another one's.
    faulty.proxy.set(Plan::script(&[Fault::DropAfter]));
    let error = table.put(if_absent(item(&pk, "1", 7))).await.unwrap_err();
    let TableError::ConditionFailed { current: Some(current) } = error else { panic!("{error:?}") };
    assert_eq!(*current, item(&pk, "1", 1));
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_applied_once() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let (table, direct) = (faulty.table(), faulty.direct_table());
    for fault in LOST_ANSWERS {
        let pk = unique("transaction");
        faulty.proxy.set(Plan::script(&[fault, fault]));
        table.transact(counted(&pk, "1")).await.unwrap();
        let counter = direct.get(TABLE, Key::new(&*pk, "COUNTER"), true).await.unwrap().unwrap();
        assert_eq!(counter.get("version"), Some(Value::N("1")), "{fault:?}");
        // Asked for again by its caller, it is another transaction.
        let error = table.transact(counted(&pk, "1")).await.unwrap_err();
        assert!(matches!(error, TableError::ConditionFailed { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_table_that_goes_on_failing_is_unavailable_after_three_attempts() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let table = faulty.table();
    let key = || Key::new("a", "1");
    for fault in [Fault::Throttle, Fault::Fail(500), Fault::Fail(503), Fault::DropBefore] {
        faulty.proxy.set(Plan::Always(fault));
        let counts = || {
            ["PutItem", "TransactWriteItems", "GetItem", "BatchGetItem", "Query"]
                .map(|o| faulty.proxy.count(o))
        };
        let before = counts();
        let results = [
            table.put(if_absent(item("a", "1", 1))).await,
            table.transact(counted("a", "1")).await,
            table.get(TABLE, key(), true).await.map(|_| ()),
            table.batch_get(TABLE, vec![key()]).await.map(|_| ()),
            table.query(Query::partition(TABLE, "a")).await.map(|_| ()),
        ];
        for result in results {
            assert!(matches!(result, Err(TableError::Unavailable { .. })), "{fault:?}: {result:?}");
        }
        let after = counts();
        assert_eq!(std::array::from_fn(|index| after[index] - before[index]), [3; 5], "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_is_not_sent_again() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let mut large = item(&unique("large"), "1", 1);
    large.insert("content".to_owned(), AttributeValue::S("x".repeat(401 * 1024)));
    let error = faulty.table().put(if_absent(large)).await.unwrap_err();
    assert!(matches!(error, TableError::Invalid { .. }), "{error:?}");
    assert_eq!(faulty.proxy.count("PutItem"), 1);
}

#[tokio::test]
async fn keys_that_a_batch_leaves_are_asked_for_again() {
    let faulty = Faulty::start(Plan::script(&[])).await;
    let (table, pk) = (faulty.table(), unique("left"));
    let writes: Vec<_> = (0..100).map(|n| Write::Put(if_absent(item(&pk, &n.to_string(), n)))).collect();
    faulty.direct_table().transact(writes).await.unwrap();
    let keys = || (0..150).map(|n| Key::new(&*pk, n.to_string())).collect();
    faulty.proxy.set(Plan::Always(Fault::Partial));
    // The last key of a portion is left no more when it is the only one.
    assert_eq!(table.batch_get(TABLE, keys()).await.unwrap().len(), 100);
    let before = faulty.proxy.count("BatchGetItem");
    faulty.proxy.set(Plan::Always(Fault::LeaveAll));
    let error = table.batch_get(TABLE, vec![Key::new(&*pk, "1")]).await.unwrap_err();
    assert!(matches!(error, TableError::Unavailable { .. }), "{error:?}");
    assert_eq!(faulty.proxy.count("BatchGetItem") - before, 6);
}

#[tokio::test]
async fn messages_that_a_batch_leaves_are_sent_again_and_only_those() {
    let faulty = Faulty::start(Plan::script(&[Fault::Partial, Fault::Partial, Fault::LeaveAll])).await;
    let queues = faulty.deployment.queues(&faulty.clients);
    let bodies: Vec<String> = (0..10).map(|number| format!("message {number}")).collect();
    let results = queues.send(QUEUE, bodies.iter().map(|body| message(body)).collect()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let mut received = Vec::new();
    eventually("the messages", async || {
        received.extend(faulty.deployment.receive(QUEUE).await);
        if received.len() >= 10 { Ok(()) } else { Err(format!("{received:?}")) }
    })
    .await;
    received.sort();
    assert_eq!(received, bodies);
    assert_eq!(faulty.proxy.count("SendMessageBatch"), 4);
}

#[tokio::test]
async fn messages_that_are_left_every_time_or_refused_are_reported_as_such() {
    let faulty = Faulty::start(Plan::Always(Fault::LeaveAll)).await;
    let queues = faulty.deployment.queues(&faulty.clients);
    let results = queues.send(QUEUE, vec![message("a"), message("b")]).await;
    let unavailable = |result: &Result<_, _>| matches!(result, Err(QueueError::Unavailable { .. }));
    assert!(results.len() == 2 && results.iter().all(unavailable), "{results:?}");
    assert_eq!(faulty.proxy.count("SendMessageBatch"), 6);
    faulty.proxy.set(Plan::Always(Fault::RefuseAll));
    let results = queues.send(QUEUE, vec![message("a"), message("b")]).await;
    let refused = |result: &Result<_, _>| matches!(result, Err(QueueError::Refused { .. }));
    assert!(results.len() == 2 && results.iter().all(refused), "{results:?}");
    assert_eq!(faulty.proxy.count("SendMessageBatch"), 7);
    for fault in [Fault::Throttle, Fault::Fail(500), Fault::DropBefore] {
        let before = faulty.proxy.count("SendMessageBatch");
        faulty.proxy.set(Plan::Always(fault));
        let results = queues.send(QUEUE, vec![message("a"), message(""), message("b")]).await;
        let expected = [unavailable(&results[0]), refused(&results[1]), unavailable(&results[2])];
        assert_eq!(expected, [true; 3], "{fault:?}: {results:?}");
        assert_eq!(faulty.proxy.count("SendMessageBatch") - before, 3, "{fault:?}");
    }
}
