//! A stub of AWS: speaks as much of the protocols of DynamoDB, SQS and Secrets Manager as the functions need,
//! and accepts everything. What is put can be read again and what is sent can be taken; no condition is checked.

mod keys;
mod tables;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Value, json};

use self::tables::Tables;
use crate::functions::secret;

/// The stub.
pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Resources>>,
}

#[derive(Default)]
struct Resources {
    tables: Tables,
    /// The bodies of the messages in each queue.
    queues: HashMap<String, Vec<String>>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<Resources>>::default();
        let router =
            Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    /// Takes the messages out of a queue.
    pub(crate) fn take(&self, queue: &str) -> Vec<String> {
        self.state.lock().unwrap().queues.remove(queue).unwrap_or_default()
    }

    /// Lets the time come of every delivery that waits for it. Answers how many there are.
    pub(crate) fn make_due(&self) -> usize {
        self.state.lock().unwrap().tables.make_due()
    }
}

async fn answer(
    State(state): State<Arc<Mutex<Resources>>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut resources = state.lock().unwrap();
    let (version, answer) = match service {
        "DynamoDB_20120810" => ("1.0", resources.tables.answer(operation, &request)),
        "AmazonSQS" => ("1.0", resources.send(operation, &request)),
        "secretsmanager" => ("1.1", get_secret(operation, &request)),
        _ => panic!("the stub of AWS does not know {target:?}"),
    };
    ([("content-type", format!("application/x-amz-json-{version}"))], answer.to_string())
}

impl Resources {
    fn send(&mut self, operation: &str, request: &Value) -> Value {
        assert_eq!(operation, "SendMessageBatch", "the stub of SQS knows no other");
        let queue = request["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
        let messages = self.queues.entry(queue.to_owned()).or_default();
        let entries = request["Entries"].as_array().unwrap();
        messages.extend(entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()));
        let taken = entries
            .iter()
            .map(|entry| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "d" }));
        json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] })
    }
}

fn get_secret(operation: &str, request: &Value) -> Value {
    assert_eq!(operation, "GetSecretValue", "the stub of Secrets Manager knows no other");
    let name = request["SecretId"].as_str().unwrap();
    json!({ "ARN": name, "Name": name, "VersionId": "1", "SecretString": secret(name) })
}
