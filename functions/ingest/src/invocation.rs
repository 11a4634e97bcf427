//! What the function is called with: told apart by what only that kind has.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use bytes::Bytes;
use lambda_runtime::{Context, Error};
use postrider_application::inbox::Inbox;
use postrider_application::ports::Clock;
use postrider_http_api::Router;
use postrider_lambda_kit::{Grouping, answer_batch, answer_http};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::bus::BusEvent;
use crate::inbox::accept_records;

/// What only one kind of invocation has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    /// SQS.
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    /// API Gateway.
    request_context: Option<IgnoredAny>,
}

/// Answers invocations of every kind.
#[derive(Clone)]
pub(crate) struct Invocations {
    router: Router,
    inbox: Arc<Inbox>,
    clock: Arc<dyn Clock>,
}

impl Invocations {
    pub(crate) fn new(router: Router, inbox: Arc<Inbox>, clock: Arc<dyn Clock>) -> Self {
        Self { router, inbox, clock }
    }

    /// Answers one invocation. An event of the bus that cannot be accepted is an error: Lambda tries twice
    /// more, then puts it into the dead-letter queue of the bus.
    pub(crate) async fn answer(&self, payload: &RawValue, context: &Context) -> Result<Value, Error> {
        let kind: Kind = serde_json::from_str(payload.get())?;
        if kind.request_context.is_some() {
            let response = answer_http(self.router.clone(), payload).await?;
            return Ok(serde_json::to_value(response)?);
        }
        if kind.records.is_some() {
            let event: SqsEvent = serde_json::from_str(payload.get())?;
            let inbox = self.inbox.clone();
            let handler = move |records| {
                let inbox = inbox.clone();
                async move { accept_records(&inbox, records).await }
            };
            let response = answer_batch(&*self.clock, Grouping::Together, handler, event, context).await?;
            return Ok(serde_json::to_value(response)?);
        }
        let (tenant, publication) = BusEvent::read(&Bytes::copy_from_slice(payload.get().as_bytes()))
            .inspect_err(|error| tracing::error!(%error, "an event of the bus cannot be accepted"))?;
        for accepted in self.inbox.accept(vec![(tenant, publication)]).await {
            accepted.inspect_err(|error| tracing::error!(%error, "an event of the bus was not accepted"))?;
        }
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests;
