//! What `make cost` prints: requests, units and dollars for delivered webhooks, counted on the real use cases.

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use postrider_cost::answers::Answer;
use postrider_cost::figures::delivered_item;
use postrider_cost::prices::{self, Line};
use postrider_cost::receiver::ANSWERS_AFTER;
use postrider_cost::{Figures, Ingested};

/// How many webhooks are delivered for each column.
const DELIVERIES: usize = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut columns = Vec::new();
    for endpoints in [1, 3, 10] {
        columns.push(Figures::measure(endpoints, DELIVERIES).await);
    }
    let mut published = Vec::new();
    for batch in [1, 10, 100] {
        published.push(Ingested::measure(batch, DELIVERIES / batch, false).await);
    }
    inputs();
    counted(&columns);
    ingested(&published);
    dollars(&columns, &published);
    println!();
    row("A delivered webhook's item, by its answer", ["bytes", "units"].map(str::to_owned));
    for answer in Answer::ALL {
        let (bytes, units) = delivered_item(answer).await;
        row(answer.name(), [bytes.to_string(), units.to_string()]);
    }
}

fn inputs() {
    println!("Inputs: list prices of us-east-1 without free tier");
    println!(
        "  DynamoDB on demand   ${:.3} a million write units, ${:.3} a million read units",
        million(prices::WRITE_UNIT),
        million(prices::READ_UNIT)
    );
    println!(
        "  SQS standard         ${:.2} a million requests of 64 KB, fair queues ${:.2} more",
        million(prices::QUEUE_REQUEST),
        million(prices::FAIR_QUEUE_REQUEST)
    );
    println!(
        "  Lambda arm64         ${:.2} a million invocations, ${:.10} a GB-second, {} MB",
        million(prices::INVOCATION),
        prices::GB_SECOND,
        prices::MEMORY_GB * 1024.0
    );
    println!("  HTTP API             ${:.2} a million requests", million(prices::HTTP_REQUEST));
    println!(
        "  CloudWatch Logs      ${:.2} a GB; Lambda's own lines {} bytes an invocation",
        prices::LOG_GB,
        prices::PLATFORM_LOG
    );
    println!(
        "  a receiver answers   after {} ms, ten at once; deliver-webhook takes {:.0} ms beside that",
        ANSWERS_AFTER.as_millis(),
        prices::DELIVER_OVERHEAD * 1e3
    );
    println!(
        "  fanout takes         {:.0} ms a batch and {:.0} ms for each {:.0} deliveries",
        prices::FAN_OUT_OVERHEAD * 1e3,
        prices::WRITE_ROUND.0 * 1e3,
        prices::WRITE_ROUND.1
    );
    println!("  ingest takes         {:.0} ms a request", prices::INGEST_DURATION * 1e3);
    println!("  batches of 10 messages, 1 KB of data, one attempt, warm functions\n");
}

const fn million(price: f64) -> f64 {
    price * 1e6
}

fn row(what: &str, cells: impl IntoIterator<Item = String>) {
    let cells: String = cells.into_iter().map(|cell| format!("{cell:>10}")).collect();
    println!("{what:<44}{cells}");
}

fn counted(columns: &[Figures]) {
    let figures = |what, figure: &dyn Fn(&Figures) -> f64| {
        row(what, columns.iter().map(|column| format!("{:.3}", figure(column))));
    };
    row("Counted for each delivery; endpoints per event:", columns.iter().map(|c| c.endpoints.to_string()));
    row("deliveries counted", columns.iter().map(|column| column.deliveries.to_string()));
    figures("write units", &Figures::write_units);
    figures("  of indexes", &|c| c.per_delivery(c.fan_out.index_write_units + c.deliver.index_write_units));
    figures("write requests", &|c| c.per_delivery(c.fan_out.writes() + c.deliver.writes()));
    figures("read requests", &Figures::reads);
    figures("read units", &Figures::read_units);
    figures("SQS requests, queue webhook", &Figures::channel_requests);
    figures("SQS requests, queue events, without sending", &|c| c.per_delivery(c.events_queue.requests()));
    figures("invocations", &|c| (c.fan_outs + c.delivers) as f64 / c.deliveries as f64);
    row("bytes of log", columns.iter().map(|c| format!("{:.0}", c.log_bytes as f64 / c.deliveries as f64)));
    row("bytes of the largest item of a delivery", columns.iter().map(|c| c.deliver.largest_put.to_string()));
    println!("\nCounted for each event, without publishing:");
    let per_event = |what, count: &dyn Fn(&Figures) -> u64| {
        row(what, columns.iter().map(|c| format!("{:.3}", count(c) as f64 / c.events as f64)));
    };
    per_event("write units", &|c| c.fan_out.write_units + c.deliver.write_units);
    per_event("read requests", &|c| c.fan_out.reads() + c.deliver.reads());
    per_event("SQS requests, both queues", &|c| c.webhook_queue.requests() + c.events_queue.requests());
}

fn ingested(published: &[Ingested]) {
    println!();
    row("Publishing, for each event; events per request:", published.iter().map(|i| i.batch.to_string()));
    let figures = |what, count: &dyn Fn(&Ingested) -> u64| {
        row(what, published.iter().map(|i| format!("{:.3}", i.per_event(count(i)))));
    };
    figures("write requests", &|i| i.table.writes());
    figures("write units", &|i| i.table.write_units);
    figures("read requests", &|i| i.table.reads());
    figures("SQS requests", &|i| i.queue.sends);
    row("bytes of the event's item", published.iter().map(|i| i.table.largest_put.to_string()));
}

fn dollars(columns: &[Figures], published: &[Ingested]) {
    println!();
    row("Dollars per million deliveries; endpoints:", columns.iter().map(|c| c.endpoints.to_string()));
    let bills: Vec<Vec<Line>> = columns.iter().map(prices::delivery).collect();
    for (index, line) in bills[0].iter().enumerate() {
        row(line.what, bills.iter().map(|bill| format!("{:.3}", million(bill[index].dollars))));
    }
    let totals: Vec<f64> = bills.iter().map(|bill| bill.iter().map(|line| line.dollars).sum()).collect();
    row("total, delivering", totals.iter().map(|total| format!("{:.3}", million(*total))));
    for ingested in published {
        let per_event = prices::ingest(ingested);
        let shares = columns.iter().map(|c| per_event * c.events as f64 / c.deliveries as f64);
        let shares: Vec<f64> = shares.collect();
        row(
            &format!("publishing, {} a request", ingested.batch),
            shares.iter().map(|s| format!("{:.3}", million(*s))),
        );
        let with = totals.iter().zip(&shares).map(|(total, share)| format!("{:.3}", million(total + share)));
        row("  total with publishing", with);
    }
}
