use std::sync::Arc;
use std::time::Duration;

use postrider_application::ports::table::{
    AttributeValue, Delete, Expression, Item, Key, Put, Query, Table, TableError, TableName, Update, Write,
};
use postrider_application::ports::{OutgoingMessage, Queue, QueueError, QueueName};
use postrider_embedded::EmbeddedTable;

use super::sizes::{item_size, requests_of};
use super::*;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    let key = [("pk", text("p")), ("sk", text("s"))];
    key.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn metered() -> (MeteredTable, Arc<Meter>) {
    let meter = Arc::new(Meter::default());
    (MeteredTable::new(Arc::new(EmbeddedTable::in_memory().unwrap()), meter.clone()), meter)
}

fn put(attributes: &[(&str, AttributeValue)], condition: Option<&'static str>) -> Put {
    Put { table: TableName::Ledger, item: item(attributes), condition: condition.map(Expression::new) }
}

/// Sizes that follow by hand from the guide, "DynamoDB item sizes and formats".
#[test]
fn sizes_are_those_of_the_documentation() {
    let size = |value| item_size(&Item::from([("name".to_owned(), value)])) - "name".len();
    assert_eq!(size(text("é")), 2);
    assert_eq!(size(number("0")), 1);
    assert_eq!(size(number("27")), 2);
    assert_eq!(size(number("-27")), 3);
    assert_eq!(size(number("1770000000123")), 8);
    assert_eq!(size(number("1770000000000")), 3, "zeros at the end are not significant");
    assert_eq!(size(number("0.0012")), 2);
    assert_eq!(size(AttributeValue::B(vec![0; 5])), 5);
    assert_eq!(size(AttributeValue::Bool(true)), 1);
    assert_eq!(size(AttributeValue::Null(true)), 1);
    assert_eq!(size(AttributeValue::L(vec![text("ab"), number("1")])), 3 + (1 + 2) + (1 + 2));
    assert_eq!(size(AttributeValue::M([("k".to_owned(), text("ab"))].into())), 3 + 1 + 1 + 2);
    assert_eq!(size(AttributeValue::L(vec![])), 3);
}

#[tokio::test]
async fn a_write_costs_a_unit_for_each_kilobyte_of_the_larger_item() {
    let (table, meter) = metered();
    let units = || meter.table().write_units;
    // pk, sk and their values are 6 bytes, the name is 1.
    table.put(put(&[("a", text(&"x".repeat(1017)))], None)).await.unwrap();
    assert_eq!((units(), meter.table().largest_put), (1, 1024));
    table.put(put(&[("a", text(&"x".repeat(1018)))], None)).await.unwrap();
    assert_eq!(units(), 3);
    table.put(put(&[], None)).await.unwrap();
    assert_eq!(units(), 5, "replacing a large item by a small one costs the large one");
    let refused = table.put(put(&[], Some("attribute_not_exists(pk)"))).await;
    assert!(matches!(refused, Err(TableError::ConditionFailed { .. })));
    assert_eq!((units(), meter.table().failed_conditions, meter.table().puts), (6, 1, 4));
}

#[tokio::test]
async fn an_index_costs_when_an_item_enters_leaves_or_moves() {
    let (table, meter) = metered();
    let indexed = |at: &str| [("open", text("T#acme")), ("open_at", text(at))];
    let mut costs = Vec::new();
    for attributes in [&[][..], &indexed("1"), &indexed("1"), &indexed("2"), &[]] {
        let before = meter.table().index_write_units;
        table.put(put(attributes, None)).await.unwrap();
        costs.push(meter.table().index_write_units - before);
    }
    assert_eq!(costs, [0, 1, 0, 2, 1]);
    assert_eq!(meter.table().write_units, 5 + 4);
}

#[tokio::test]
async fn a_transaction_costs_twice() {
    let (table, meter) = metered();
    let update = Expression::new("SET n = :n").number_value(":n", 1);
    let key = |sk: &str| Key::new("p", sk);
    let writes = vec![
        Write::Put(put(&[("a", text(&"x".repeat(2000)))], None)),
        Write::Update(Update { table: TableName::Ledger, key: key("t"), update, condition: None }),
    ];
    table.transact(writes).await.unwrap();
    assert_eq!((meter.table().write_units, meter.table().transactions), (2 * 2 + 2, 1));
    let delete = Delete { table: TableName::Ledger, key: key("s"), condition: None };
    table.transact(vec![Write::Delete(delete)]).await.unwrap();
    assert_eq!(meter.table().write_units, 6 + 2 * 2);
}

#[tokio::test]
async fn a_read_costs_a_unit_for_each_four_kilobytes_and_half_when_it_may_be_late() {
    let (table, meter) = metered();
    table.put(put(&[("a", text(&"x".repeat(5000)))], None)).await.unwrap();
    let mut seen = 0.0;
    let mut cost = || {
        let units = meter.table().read_units() - seen;
        seen += units;
        units
    };
    let key = |sk: &str| Key::new("p", sk);
    table.get(TableName::Ledger, key("s"), true).await.unwrap();
    assert_eq!(cost(), 2.0);
    table.get(TableName::Ledger, key("s"), false).await.unwrap();
    assert_eq!(cost(), 1.0);
    table.get(TableName::Ledger, key("none"), true).await.unwrap();
    assert_eq!(cost(), 1.0, "looking for what is not there costs like finding something small");
    table.batch_get(TableName::Ledger, vec![key("s"), key("none")]).await.unwrap();
    assert_eq!(cost(), 1.5);
    let query = Query { consistent: true, ..Query::partition(TableName::Ledger, "p") };
    table.query(query.clone()).await.unwrap();
    assert_eq!(cost(), 2.0);
    let filter = Some(Expression::new("attribute_exists(b)"));
    assert!(table.query(Query { filter, ..query }).await.unwrap().items.is_empty());
    assert_eq!(cost(), 2.0, "what a filter leaves out was read");
    assert_eq!((meter.table().gets, meter.table().batch_gets, meter.table().queries), (3, 1, 2));
}

struct Nowhere;

#[async_trait::async_trait]
impl Queue for Nowhere {
    async fn send(&self, _: QueueName, messages: Vec<OutgoingMessage>) -> Vec<Result<(), QueueError>> {
        messages.iter().map(|_| Ok(())).collect()
    }
}

fn message(bytes: usize) -> OutgoingMessage {
    OutgoingMessage { body: "x".repeat(bytes).into(), delay: Duration::ZERO, group: "acme".into() }
}

#[tokio::test]
async fn a_request_to_a_queue_holds_ten_messages_and_counts_for_each_64_kilobytes() {
    let meter = Arc::new(Meter::default());
    let queue = MeteredQueue::new(Arc::new(Nowhere), meter.clone());
    let sends = || meter.queue(QueueName::Events).sends;
    queue.send(QueueName::Events, vec![message(1000); 11]).await;
    assert_eq!(sends(), 2);
    queue.send(QueueName::Events, vec![message(65_536)]).await;
    assert_eq!(sends(), 3);
    queue.send(QueueName::Events, vec![message(65_537)]).await;
    assert_eq!(sends(), 5);
    queue.batch_handled(QueueName::Events, &[1000; 10], 10);
    queue.batch_handled(QueueName::Events, &[10_000; 10], 3);
    let bill = meter.queue(QueueName::Events);
    assert_eq!((bill.receives, bill.deletes, bill.messages_received), (3, 1, 20));
    assert_eq!(meter.queue(QueueName::EventsDead), QueueBill::default());
    assert_eq!(requests_of(&[message(600_000), message(600_000)]).len(), 2);
    meter.reset();
    assert_eq!(sends(), 0);
}
