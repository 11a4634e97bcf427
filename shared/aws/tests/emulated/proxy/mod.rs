//! Stands between the SDK's clients and the emulator, and lets requests fail as a plan says.

mod parts;
mod plan;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::emulator;
pub(crate) use plan::{Fault, Plan};

/// A proxy that runs as long as the test's runtime.
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Mutex<Plan>,
    /// How often each operation was asked for.
    counts: Mutex<HashMap<String, usize>>,
}

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("told to")]
pub(crate) struct Dropped;

impl Proxy {
    pub(crate) async fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { plan: Mutex::new(plan), counts: Mutex::default() });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { shared.deal_with(request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                // It ends with an error when it is told to.
                tokio::spawn(async move {
                    connection.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Goes on with another plan.
    pub(crate) fn set(&self, plan: Plan) {
        *self.shared.plan.lock().unwrap() = plan;
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.shared.counts.lock().unwrap().get(operation).copied().unwrap_or_default()
    }
}

impl Shared {
    async fn deal_with(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        // DynamoDB_20120810.PutItem; S3 has methods instead.
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or(head.method.as_str());
        let operation = operation.to_owned();
        *self.counts.lock().unwrap().entry(operation.clone()).or_default() += 1;
        let fault = self.plan.lock().unwrap().next(&operation);
        let is_json = target.is_some();
        let request = |body: Bytes| Request::from_parts(head.clone(), Full::new(body));
        match fault {
            Fault::None => forward(request(body)).await,
            Fault::Throttle => Ok(failure(is_json, throttling(&operation))),
            Fault::Fail(status) => Ok(failure(is_json, (status, "InternalServerError"))),
            Fault::DropBefore => Err(Dropped),
            Fault::DropAfter => {
                forward(request(body)).await?;
                Err(Dropped)
            }
            Fault::FailAfter => {
                forward(request(body)).await?;
                Ok(failure(is_json, (500, "InternalServerError")))
            }
            Fault::Hang => {
                forward(request(body)).await?;
                // Until the client has had enough.
                std::future::pending().await
            }
            Fault::Partial => partial(&operation, body, request, false, |index| index % 3 != 1).await,
            Fault::LeaveAll => partial(&operation, body, request, false, |_| false).await,
            Fault::RefuseAll => partial(&operation, body, request, true, |_| false).await,
        }
    }
}

async fn partial(
    operation: &str,
    body: Bytes,
    request: impl Fn(Bytes) -> Request<Full<Bytes>>,
    sender_fault: bool,
    keep: impl FnMut(usize) -> bool,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let Some(divided) = parts::divide(operation, &body, sender_fault, keep) else {
        return forward(request(body)).await;
    };
    let answer = match divided.request {
        Some(body) => forward(request(body)).await?.into_body().collect().await.map_err(absurd)?.to_bytes(),
        None => Bytes::new(),
    };
    let answer = Response::builder()
        .header(CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(Full::new(parts::report(&answer, divided.report)));
    Ok(answer.unwrap())
}

fn absurd(error: Infallible) -> Dropped {
    match error {}
}

/// The status and code with which a service throttles.
fn throttling(operation: &str) -> (u16, &'static str) {
    match operation {
        "SendMessageBatch" => (400, "RequestThrottled"),
        "GetSecretValue" => (400, "ThrottlingException"),
        "PutItem" | "TransactWriteItems" | "Query" => (400, "ProvisionedThroughputExceededException"),
        "GetItem" | "BatchGetItem" => (400, "ThrottlingException"),
        _ => (503, "SlowDown"),
    }
}

/// A service's error in the form of its protocol.
fn failure(is_json: bool, (status, code): (u16, &str)) -> Response<Full<Bytes>> {
    let (kind, body) = if is_json {
        (
            "application/x-amz-json-1.0",
            format!("{{\"__type\":\"com.example#{code}\",\"message\":\"told to\"}}"),
        )
    } else {
        ("application/xml", format!("<Error><Code>{code}</Code><Message>told to</Message></Error>"))
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
    response.body(Full::new(body.into())).unwrap()
}

/// Asks the emulator on a connection of its own.
pub(crate) async fn forward(mut request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Dropped> {
    // The body is sent as it is now.
    request.headers_mut().remove(CONTENT_LENGTH);
    request.headers_mut().remove(TRANSFER_ENCODING);
    let stream = TcpStream::connect(emulator::address()).await.map_err(|_| Dropped)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Dropped)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|_| Dropped)?;
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    connection.abort();
    head.headers.remove(TRANSFER_ENCODING);
    if head.status != StatusCode::NO_CONTENT {
        head.headers.remove(CONTENT_LENGTH);
    }
    Ok(Response::from_parts(head, Full::new(body)))
}
