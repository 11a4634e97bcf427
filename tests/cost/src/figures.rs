//! What was counted for a number of delivered webhooks, from fan-out to the record of the attempt, and for
//! publishing their events.

use postrider_application::ports::QueueName;
use postrider_testkit::metering::{QueueBill, TableBill};

use crate::answers::Answer;
use crate::logs;
use crate::queue::BATCH;
use crate::world::{WEBHOOK, World};

/// What a run of events through warm functions came to.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// How many endpoints each event went to.
    pub endpoints: usize,
    /// How many events.
    pub events: usize,
    /// How many deliveries.
    pub deliveries: usize,
    /// What fan-out asked of the tables.
    pub fan_out: TableBill,
    /// What delivering asked of the tables.
    pub deliver: TableBill,
    /// The queue of events, without what publishing sent.
    pub events_queue: QueueBill,
    /// The queue of webhooks.
    pub webhook_queue: QueueBill,
    /// How often the function `fanout` ran.
    pub fan_outs: usize,
    /// How often the function `deliver-webhook` ran.
    pub delivers: usize,
    /// The bytes of the logs.
    pub log_bytes: usize,
}

impl Figures {
    /// Delivers at least `deliveries` webhooks of 1 KB, in batches of 10, to this many endpoints an event. Every
    /// function was used before; ten of each kind work at a time, and no more than the ten seconds pass for which
    /// they trust what they know of an endpoint.
    pub async fn measure(endpoints: usize, deliveries: usize) -> Self {
        let world = World::new();
        world.add_endpoints(endpoints).await;
        run(&world, BATCH).await;
        world.meter.reset();
        let events = deliveries.div_ceil(endpoints).next_multiple_of(BATCH);
        run(&world, events).await
    }

    /// Write units of fan-out and delivering, for each delivery.
    pub fn write_units(&self) -> f64 {
        self.per_delivery(self.fan_out.write_units + self.deliver.write_units)
    }

    /// Read requests of fan-out and delivering, for each delivery.
    pub fn reads(&self) -> f64 {
        self.per_delivery(self.fan_out.reads() + self.deliver.reads())
    }

    /// Read units of fan-out and delivering, for each delivery.
    pub fn read_units(&self) -> f64 {
        (self.fan_out.read_units() + self.deliver.read_units()) / self.deliveries as f64
    }

    /// Requests to the queue of webhooks, for each delivery.
    pub fn channel_requests(&self) -> f64 {
        self.per_delivery(self.webhook_queue.requests())
    }

    /// Requests to both queues, for each delivery.
    pub fn queue_requests(&self) -> f64 {
        self.per_delivery(self.webhook_queue.requests() + self.events_queue.requests())
    }

    /// A count for each delivery.
    pub fn per_delivery(&self, count: u64) -> f64 {
        count as f64 / self.deliveries as f64
    }
}

async fn run(world: &World, events: usize) -> Figures {
    let called_before = world.receivers.total();
    let accepted = world.publish(&vec![None; events]).await;
    assert!(accepted.iter().all(Result::is_ok));
    world.meter.reset();
    let fan_outs = world.work_off(QueueName::Events).await;
    let fan_out = world.meter.table();
    let (delivers, log_bytes) = logs::counted(world.work_off(WEBHOOK)).await;
    assert!(world.queues.next_visible().is_none(), "something failed");
    let (deliveries, both) = (world.receivers.total() - called_before, world.meter.table());
    Figures {
        endpoints: deliveries / events,
        events,
        deliveries,
        fan_out,
        deliver: less(both, fan_out),
        events_queue: world.meter.queue(QueueName::Events),
        webhook_queue: world.meter.queue(WEBHOOK),
        fan_outs,
        delivers,
        log_bytes,
    }
}

fn less(all: TableBill, part: TableBill) -> TableBill {
    TableBill {
        gets: all.gets - part.gets,
        batch_gets: all.batch_gets - part.batch_gets,
        queries: all.queries - part.queries,
        puts: all.puts - part.puts,
        transactions: all.transactions - part.transactions,
        failed_conditions: all.failed_conditions - part.failed_conditions,
        write_units: all.write_units - part.write_units,
        index_write_units: all.index_write_units - part.index_write_units,
        read_half_units: all.read_half_units - part.read_half_units,
        largest_put: all.largest_put,
    }
}

/// The item of a webhook's delivery when it was delivered to a receiver with this answer, in bytes, and the units
/// of writing it.
pub async fn delivered_item(answer: Answer) -> (usize, u64) {
    let world = World::new();
    world.add_endpoints(1).await;
    world.receivers.answer(answer);
    assert!(world.publish(&[None]).await[0].is_ok());
    world.work_off(QueueName::Events).await;
    world.meter.reset();
    world.work_off(WEBHOOK).await;
    let bill = world.meter.table();
    assert_eq!(bill.puts, 1);
    (bill.largest_put, bill.write_units)
}

/// What publishing came to.
#[derive(Debug, Clone, Copy)]
pub struct Ingested {
    /// How many events each request held.
    pub batch: usize,
    /// How many requests.
    pub requests: usize,
    /// How many events in all.
    pub events: usize,
    /// What it asked of the tables.
    pub table: TableBill,
    /// The queue of events.
    pub queue: QueueBill,
}

impl Ingested {
    /// Publishes events of 1 KB, so many in each of so many requests, under their publishers' ids or not.
    pub async fn measure(batch: usize, requests: usize, is_named: bool) -> Self {
        let world = World::new();
        world.add_endpoints(1).await;
        // What an instance keeps in memory of a tenant is there.
        assert!(world.publish(&[None]).await.iter().all(Result::is_ok));
        world.meter.reset();
        for request in 0..requests {
            let names: Vec<_> = (0..batch).map(|place| format!("order-{request}-{place}")).collect();
            let ids: Vec<_> = names.iter().map(|name| is_named.then_some(name.as_str())).collect();
            assert!(world.publish(&ids).await.iter().all(Result::is_ok));
        }
        let (table, queue) = (world.meter.table(), world.meter.queue(QueueName::Events));
        Self { batch, requests, events: batch * requests, table, queue }
    }

    /// A count for each event.
    pub fn per_event(&self, count: u64) -> f64 {
        count as f64 / self.events as f64
    }
}
