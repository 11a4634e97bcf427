//! What is asked of the functions, in the way of an event: each works on what the one before it has written and
//! sent, so every invocation does what it does on AWS.

use std::path::Path;

use postrider_tests::{Answer, Receiver};
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::functions::{Function, secret};
use crate::instance::{Instance, Memory};

/// How many invocations a function gets.
const INVOCATIONS: usize = 200;

/// How many messages, or events, are in an invocation.
const BATCH: usize = 10;

/// A type that the receiver takes, and one that it refuses.
const TYPES: [&str; 2] = ["bench.taken", "bench.refused"];

/// What one function did, and the memory it took.
pub(crate) struct Loaded {
    pub(crate) function: Function,
    /// What it was asked for.
    pub(crate) load: String,
    pub(crate) started: Memory,
    pub(crate) worked: Memory,
}

/// A stack in which every function gets its work.
pub(crate) struct Stack<'a> {
    packages: &'a Path,
    aws: &'a Aws,
    receiver: Receiver,
}

impl<'a> Stack<'a> {
    pub(crate) async fn new(packages: &'a Path, aws: &'a Aws) -> Self {
        let receiver = Receiver::start().await;
        receiver.answer("/refused", [Answer::status(503)]);
        Self { packages, aws, receiver }
    }

    /// Starts an instance and has it do all of this, one after the other.
    async fn load(
        &self,
        function: Function,
        load: &str,
        events: impl IntoIterator<Item = Value>,
    ) -> (Loaded, Vec<Value>) {
        let (mut instance, _) = Instance::start(function, self.packages, self.aws).await;
        let started = instance.memory();
        let mut answers = Vec::new();
        for event in events {
            let answer = instance.invoke(event).await;
            if answer.get("statusCode").is_some() {
                assert!(answer["statusCode"].as_u64().unwrap() < 300, "{}: {answer}", function.name());
            } else {
                let failures = answer["batchItemFailures"].as_array();
                assert!(failures.is_none_or(Vec::is_empty), "{}: {answer}", function.name());
            }
            answers.push(answer);
        }
        let load = format!("{} {load}", answers.len());
        let worked = instance.memory();
        instance.stop().await;
        (Loaded { function, load, started, worked }, answers)
    }

    /// Gives every function its work.
    pub(crate) async fn load_all(&self) -> Vec<Loaded> {
        let platform = secret("platform-key");
        let (manage, key) = self.manage(&platform).await;

        let publish = call("POST", "/v1/events/batch", "", &key, Some(&events()));
        let load = "requests with 10 events of 1 KB";
        let (ingest, _) = self.load(Function::Ingest, load, vec![publish; INVOCATIONS]).await;
        let accepted = self.aws.take("events");
        assert_eq!(accepted.len(), INVOCATIONS * BATCH);

        let load = "batches of 10 events of 1 KB, an endpoint for each";
        let (fanout, _) = self.load(Function::Fanout, load, batches("events", &accepted)).await;
        let created = self.aws.take("webhook");
        assert_eq!(created.len(), INVOCATIONS * BATCH);

        let load = "batches of 10 deliveries of 1 KB, half of them refused";
        let (deliver, _) = self.load(Function::DeliverWebhook, load, batches("webhook", &created)).await;
        for path in ["/taken", "/refused"] {
            assert_eq!(self.receiver.count(path), INVOCATIONS * BATCH / 2, "each delivery arrives once");
        }
        let waiting = self.aws.make_due();
        assert_eq!(waiting, INVOCATIONS * BATCH / 2, "what was refused waits for its second attempt");

        let load = format!("runs, {waiting} deliveries due in the first");
        let tick = json!({ "detail-type": "Scheduled Event", "source": "aws.events", "detail": {} });
        let (schedule, _) = self.load(Function::Schedule, &load, vec![tick; INVOCATIONS]).await;
        let second = self.aws.take("webhook");
        assert_eq!(second.len(), waiting, "each is sent on once");

        // Half of the work are deliveries that are given up, half are events.
        let given_up = batches("webhook-dlq", &second);
        let given_up = given_up.into_iter().chain(batches("events-dlq", &accepted[..waiting]));
        let load = "batches of 10 messages that were given up";
        let (dead_letter, _) = self.load(Function::DeadLetter, load, given_up).await;

        let query = self.query(&key).await;
        vec![ingest, fanout, deliver, dead_letter, schedule, query, manage]
    }

    /// A tenant, an endpoint for each type and a key, then endpoints by the hundred. Answers the key.
    async fn manage(&self, platform: &str) -> (Loaded, String) {
        let post = |path, body: Value| call("POST", path, "", platform, Some(&body));
        let endpoint = |name: String, event_type: &str, path: &str| {
            let retry = json!({ "strategy": "schedule", "schedule": [3600] });
            let subscriptions = json!([{ "event_type": event_type }]);
            let config = json!({ "url": self.receiver.url(path) });
            post(
                "/v1/endpoints",
                json!({
                    "name": name, "channel": "webhook", "config": config, "subscriptions": subscriptions,
                    "retry": retry, "rate_limit": unlimited(),
                }),
            )
        };
        let [taken, refused] = TYPES;
        let mut events = vec![
            post("/v1/tenants", json!({ "id": "bench", "name": "bench" })),
            post("/v1/keys", json!({ "name": "bench", "role": "admin" })),
            endpoint("taken".to_owned(), taken, "/taken"),
            endpoint("refused".to_owned(), refused, "/refused"),
        ];
        let more = events.len()..INVOCATIONS;
        events.extend(more.map(|number| endpoint(format!("endpoint {number}"), "bench.other", "/other")));
        let load = "requests that create endpoints";
        let (loaded, answers) = self.load(Function::Manage, load, events).await;
        let key: Value = serde_json::from_str(answers[1]["body"].as_str().unwrap()).unwrap();
        (loaded, key["key"].as_str().unwrap().to_owned())
    }

    async fn query(&self, key: &str) -> Loaded {
        let pages = [
            ("/v1/events", "limit=100"),
            ("/v1/deliveries", "limit=100"),
            ("/v1/dead-letters", "limit=100"),
            ("/v1/endpoints", "limit=100"),
        ];
        let events = pages.map(|(path, query)| call("GET", path, query, key, None));
        let load = "requests for lists of 100";
        let requests = events.into_iter().cycle().take(INVOCATIONS);
        let (loaded, answers) = self.load(Function::Query, load, requests).await;
        for answer in &answers {
            let page: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(page["items"].as_array().unwrap().len(), 100);
        }
        loaded
    }
}

/// As high as a rate limit can be: what is measured is not to wait.
fn unlimited() -> Value {
    json!({ "per_second": 100_000, "burst": 100_000 })
}

/// Ten events with bodies of about 1 KB, half of each type.
fn events() -> Value {
    let data = json!({ "order": 1042, "amount": 129.90, "note": "x".repeat(880) });
    let event = |event_type: &&str| json!({ "type": event_type, "data": data });
    json!({ "events": TYPES.iter().cycle().take(BATCH).map(event).collect::<Vec<_>>() })
}

/// A request as API Gateway hands it over.
fn call(method: &str, path: &str, query: &str, key: &str, body: Option<&Value>) -> Value {
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters: serde_json::Map<_, _> =
        parameters.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let mut headers = json!({
        "accept": "*/*",
        "authorization": format!("Bearer {key}"),
        "content-type": "application/json",
        "host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "https",
    });
    // The operator's key acts for this tenant, which is not there before it is created.
    if path != "/v1/tenants" {
        headers["postrider-tenant"] = json!("bench");
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7" },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "02/Nov/2026:09:30:00 +0000",
            "timeEpoch": 1_793_611_800_000_u64,
        },
        "queryStringParameters": parameters,
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    })
}

/// Messages as the event source of a queue hands them over.
fn batches(queue: &str, bodies: &[String]) -> Vec<Value> {
    let message = |(number, body): (usize, &String)| {
        json!({
            "messageId": format!("19dd0b57-b21e-4ac1-bd88-{number:012}"),
            "receiptHandle": "AQEB",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1793611800200",
                "SenderId": "AROASAMPLESAMPLESAMPL:bench",
                "ApproximateFirstReceiveTimestamp": "1793611800210",
                "MessageGroupId": "bench",
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"),
            "awsRegion": "eu-west-1",
        })
    };
    let batch =
        |bodies: &[String]| json!({ "Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>() });
    bodies.chunks(BATCH).map(batch).collect()
}
