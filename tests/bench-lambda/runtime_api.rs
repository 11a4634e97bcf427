//! Lambda's runtime API for one instance of a function: it polls for an invocation, and posts what came of it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How long an invocation may take by its deadline: as long as template.yaml gives to most functions.
const TIME: Duration = Duration::from_secs(60);

/// A runtime API. Dropped, it is closed.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    invocations: UnboundedSender<Value>,
    calls: UnboundedReceiver<Call>,
    serving: JoinHandle<()>,
}

/// What the function calls for.
enum Call {
    /// An invocation. It asked for it at this time.
    Next(Instant),
    /// It has answered one.
    Response(Bytes),
    /// It could not.
    Error(Bytes),
}

#[derive(Clone)]
struct Ends {
    invocations: Arc<Mutex<UnboundedReceiver<Value>>>,
    calls: UnboundedSender<Call>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, to_hand_out) = unbounded_channel();
        let (called, calls) = unbounded_channel();
        let ends = Ends { invocations: Arc::new(Mutex::new(to_hand_out)), calls: called };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .layer(DefaultBodyLimit::disable())
            .with_state(ends);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, invocations, calls, serving }
    }

    /// Waits until the function asks for an invocation. Answers when it did.
    pub(crate) async fn polled(&mut self) -> Instant {
        match self.calls.recv().await.unwrap() {
            Call::Next(at) => at,
            Call::Response(_) => panic!("the function answered what it was not asked"),
            Call::Error(error) => panic!("the function did not start: {}", String::from_utf8_lossy(&error)),
        }
    }

    /// Hands an invocation to the function that asked for one. Answers what came of it, once the function asks
    /// for the next.
    pub(crate) async fn invoke(&mut self, event: Value) -> Value {
        self.invocations.send(event).unwrap();
        let answer = match self.calls.recv().await.unwrap() {
            Call::Response(answer) => serde_json::from_slice(&answer).unwrap(),
            Call::Next(_) => panic!("the function asked for an invocation instead of answering one"),
            Call::Error(error) => panic!("an invocation failed: {}", String::from_utf8_lossy(&error)),
        };
        self.polled().await;
        answer
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "Lambda says by the system's clock when an invocation is over")]
fn deadline() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now + TIME).as_millis().to_string()
}

async fn next(State(ends): State<Ends>) -> impl IntoResponse {
    ends.calls.send(Call::Next(Instant::now())).unwrap();
    let Some(event) = ends.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let header = HeaderName::from_static;
    let headers = [
        (header("lambda-runtime-aws-request-id"), "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        (header("lambda-runtime-deadline-ms"), deadline()),
        (
            header("lambda-runtime-invoked-function-arn"),
            "arn:aws:lambda:eu-west-1:123456789012:function:bench".to_owned(),
        ),
        (header("content-type"), "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn response(State(ends): State<Ends>, answer: Bytes) -> StatusCode {
    ends.calls.send(Call::Response(answer)).unwrap();
    StatusCode::ACCEPTED
}

async fn error(State(ends): State<Ends>, error: Bytes) -> StatusCode {
    ends.calls.send(Call::Error(error)).unwrap();
    StatusCode::ACCEPTED
}
