use lambda_runtime::Context;
use postrider_application::access::Authenticator;
use postrider_application::ingest::Ingest;
use postrider_application::ports::{QueueName, Vault};
use postrider_application::stores::tenants::Tenant;
use postrider_application::stores::{ApiKeys, Endpoints, Events, Tenants};
use postrider_application::system::{SystemClock, SystemEntropy};
use postrider_embedded::{EmbeddedTable, LocalQueues, LocalVault, MemoryBlobs};
use postrider_http_api::{IngestServices, ingest_router};
use serde_json::json;

use super::*;

const HTTP: &str = include_str!("../../../../events/ingest/http.json");
const BUS: &str = include_str!("../../../../events/ingest/bus.json");
const INBOX: &str = include_str!("../../../../events/ingest/inbox.json");

/// Made up for these tests.
const PLATFORM: &str = "platform-key-of-this-test";

struct Function {
    invocations: Invocations,
    queues: Arc<LocalQueues>,
    events: Events,
}

impl Function {
    /// The function with the tenant `demo`.
    async fn new() -> Self {
        let table = Arc::new(EmbeddedTable::in_memory().unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let queues = LocalQueues::in_memory(clock.clone());
        let (events, endpoints) = (Events::new(table.clone()), Endpoints::new(table.clone()));
        let (tenants, keys) = (Tenants::new(table.clone()), ApiKeys::new(table));
        let (blobs, entropy) = (Arc::new(MemoryBlobs::default()), Arc::new(SystemEntropy));
        let ingest = Ingest::new(events.clone(), endpoints, queues.clone(), blobs, clock.clone(), entropy);
        let tenant = Tenant {
            id: "demo".parse().unwrap(),
            name: "Demo".into(),
            publish_limit: None,
            created_at: clock.now(),
            version: 0,
        };
        tenants.create(&tenant).await.unwrap();
        let vault: Arc<dyn Vault> = Arc::new(LocalVault::in_memory(&SystemEntropy, Some(PLATFORM.into())));
        let inbox = Arc::new(Inbox::new(tenants.clone(), ingest.clone(), clock.clone()));
        let authenticator = Arc::new(Authenticator::new(keys, tenants, vault, clock.clone()));
        let router = ingest_router(IngestServices { authenticator, ingest });
        Self { invocations: Invocations::new(router, inbox, clock), queues, events }
    }

    async fn call(&self, event: &str) -> Result<Value, Error> {
        let mut context = Context::default();
        context.deadline = SystemClock.now().as_millis() + 60_000;
        let event: Box<RawValue> = serde_json::from_str(event).unwrap();
        self.invocations.answer(&event, &context).await
    }

    /// The data of an event of the tenant `demo`, if it was accepted.
    async fn data(&self, id: &str) -> Option<String> {
        let stored = self.events.get(&"demo".parse().unwrap(), &id.parse().unwrap()).await.unwrap()?;
        match stored.payload {
            postrider_application::messages::Payload::Inline(data) => Some(data.as_str().to_owned()),
            postrider_application::messages::Payload::Stored { .. } => panic!(),
        }
    }
}

#[tokio::test]
async fn an_event_is_published_over_http() {
    let function = Function::new().await;
    let event = HTTP.replace("prk_SAMPLE_not-a-real-key", PLATFORM);
    let refused = function.call(HTTP).await.unwrap();
    assert_eq!(refused["statusCode"], 401);
    let event = event.replace("\"host\"", "\"postrider-tenant\": \"demo\",\n    \"host\"");
    let accepted = function.call(&event).await.unwrap();
    assert_eq!(accepted["statusCode"], 202, "{accepted}");
    assert_eq!(function.data("order-1043-paid").await.unwrap(), r#"{"order": 1043, "amount": 7.50}"#);
    assert_eq!(function.queues.depth(QueueName::Events), 1);
}

#[tokio::test]
async fn an_event_of_the_bus_is_accepted_once() {
    let function = Function::new().await;
    for _ in 0..2 {
        assert_eq!(function.call(BUS).await.unwrap(), Value::Null);
    }
    let data = function.data("7bf73129-1428-4cd3-a780-95db273d1602").await.unwrap();
    assert!(BUS.contains(&data) && data.contains("7.50"));
    assert!(function.call(&BUS.replace("demo", "nobody")).await.is_err());
    assert!(function.call("{}").await.is_err());
}

#[tokio::test]
async fn messages_of_the_inbox_are_accepted_and_the_bad_one_is_reported() {
    let function = Function::new().await;
    let mut event: Value = serde_json::from_str(INBOX).unwrap();
    let mut bad = event["Records"][0].clone();
    bad["messageId"] = json!("bad");
    bad["body"] = json!("nonsense");
    event["Records"].as_array_mut().unwrap().push(bad);
    let answer = function.call(&event.to_string()).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "bad" }] }));
    assert!(function.data("order-1043-paid").await.is_some());
    let own_id = event["Records"][1]["messageId"].as_str().unwrap().to_owned();
    assert!(function.data(&own_id).await.is_some());
    assert_eq!(function.queues.depth(QueueName::Events), 2);
    // Handed out again, the message without an id of its own is the same event.
    let again = function.call(INBOX).await.unwrap();
    assert_eq!(again, json!({ "batchItemFailures": [] }));
}
