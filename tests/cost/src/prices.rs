//! List prices, what is assumed beside what is counted, and the dollars that follow.

use crate::figures::{Figures, Ingested};
use crate::receiver::ANSWERS_AFTER;

/// SQS, standard queues, for a request.
pub const QUEUE_REQUEST: f64 = 0.40e-6;

/// What fair queues add, for a request.
pub const FAIR_QUEUE_REQUEST: f64 = 0.10e-6;

/// DynamoDB on demand, for a write unit.
pub const WRITE_UNIT: f64 = 0.625e-6;

/// DynamoDB on demand, for a read unit.
pub const READ_UNIT: f64 = 0.125e-6;

/// Lambda, for an invocation.
pub const INVOCATION: f64 = 0.20e-6;

/// Lambda on arm64, for a GB and second.
pub const GB_SECOND: f64 = 0.000_013_333_4;

/// API Gateway's HTTP API, for a request of up to 512 KB.
pub const HTTP_REQUEST: f64 = 1.00e-6;

/// `CloudWatch` Logs, for a GB taken in.
pub const LOG_GB: f64 = 0.50;

/// The functions' memory in GB.
pub const MEMORY_GB: f64 = 0.25;

/// What `deliver-webhook` takes beside waiting for the receivers of its batch, all at once, in seconds.
pub const DELIVER_OVERHEAD: f64 = 0.020;

/// What `fanout` takes for a batch beside the rounds of its writes, in seconds.
pub const FAN_OUT_OVERHEAD: f64 = 0.020;

/// What a round of writes takes, all at once, in seconds, and how many there are in one.
pub const WRITE_ROUND: (f64, f64) = (0.005, 64.0);

/// What `ingest` takes for a request, in seconds.
pub const INGEST_DURATION: f64 = 0.012;

/// What Lambda itself logs for an invocation (start, end, report), in bytes.
pub const PLATFORM_LOG: f64 = 400.0;

/// A line of the bill, in dollars for each delivery.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What for.
    pub what: &'static str,
    /// Dollars for each delivery.
    pub dollars: f64,
}

fn invocations(count: f64, seconds: f64) -> f64 {
    count * (INVOCATION + seconds * MEMORY_GB * GB_SECOND)
}

/// What delivering costs, from fan-out to the record of the attempt.
pub fn delivery(figures: &Figures) -> Vec<Line> {
    let deliveries = figures.deliveries as f64;
    let (fan_outs, delivers) = (figures.fan_outs as f64 / deliveries, figures.delivers as f64 / deliveries);
    let creates_per_batch = figures.fan_out.puts as f64 / figures.fan_outs as f64;
    let fan_out_seconds = FAN_OUT_OVERHEAD + (creates_per_batch / WRITE_ROUND.1).ceil() * WRITE_ROUND.0;
    let deliver_seconds = DELIVER_OVERHEAD + ANSWERS_AFTER.as_secs_f64();
    let log_bytes = figures.log_bytes as f64 / deliveries + (fan_outs + delivers) * PLATFORM_LOG;
    let line = |what, dollars| Line { what, dollars };
    vec![
        line("DynamoDB writes", figures.write_units() * WRITE_UNIT),
        line("DynamoDB reads", figures.read_units() * READ_UNIT),
        line("SQS, fair queues", figures.queue_requests() * (QUEUE_REQUEST + FAIR_QUEUE_REQUEST)),
        line("Lambda fanout", invocations(fan_outs, fan_out_seconds)),
        line("Lambda deliver-webhook", invocations(delivers, deliver_seconds)),
        line("CloudWatch Logs", log_bytes * LOG_GB / 1e9),
    ]
}

/// What publishing the events costs through the HTTP API, in dollars for each event.
pub fn ingest(ingested: &Ingested) -> f64 {
    let requests = 1.0 / ingested.batch as f64;
    ingested.per_event(ingested.table.write_units) * WRITE_UNIT
        + ingested.per_event(ingested.table.read_half_units) / 2.0 * READ_UNIT
        + ingested.per_event(ingested.queue.sends) * (QUEUE_REQUEST + FAIR_QUEUE_REQUEST)
        + requests * HTTP_REQUEST
        + invocations(requests, INGEST_DURATION)
        + requests * PLATFORM_LOG * LOG_GB / 1e9
}
