//! Requests and answers over real connections, the good ones and the bad ones.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use postrider_application::ports::outbound::{
    Outbound as _, OutboundError, OutboundRequest, OutboundResponse,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::server::Server;
use super::{PATIENCE, local, post};

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_request_arrives_as_it_was_made_and_is_answered() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut connection| {
        let seen = seen.clone();
        async move {
            while let Some(request) = connection.request().await {
                seen.send(request).unwrap();
                connection
                    .say("HTTP/1.1 201 Created\r\nset-cookie: a=b\r\ncontent-length: 4\r\n\r\ndone")
                    .await;
            }
        }
    })
    .await;
    let mut request = post(&server.url("/hook?a=1"));
    request.headers.insert("x-name", HeaderValue::from_static("value"));
    let outbound = local();
    let response = outbound.send(request.clone()).await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers["set-cookie"], "a=b");
    assert_eq!((response.body.as_ref(), response.body_truncated), (&b"done"[..], false));
    outbound.send(request).await.unwrap();
    let expected = format!(
        "POST /hook?a=1 HTTP/1.1\r\nx-name: value\r\naccept: */*\r\nhost: {}\r\ncontent-length: 5\r\n\r\nhello",
        server.address
    );
    assert_eq!(requests.recv().await.unwrap(), expected);
    assert_eq!(requests.recv().await.unwrap(), expected, "the cookie is not sent back");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let second = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer =
        format!("HTTP/1.1 307 Over There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", second.url("/"));
    let first = Server::answering(answer.leak()).await;
    let response = local().send(post(&first.url("/"))).await.unwrap();
    assert_eq!(response.status, 307);
    assert_eq!(response.headers["location"], second.url("/"));
    assert_eq!(second.accepted(), 0);
}

#[tokio::test]
async fn an_endless_body_is_cut_and_the_connection_closed() {
    let (gone, mut left) = mpsc::unbounded_channel();
    let server = Server::start(move |mut connection| {
        let gone = gone.clone();
        async move {
            connection.request().await;
            connection.say("HTTP/1.1 200 OK\r\n\r\n").await;
            let block = "x".repeat(10_000);
            while connection.say(&block).await {}
            gone.send(()).unwrap();
        }
    })
    .await;
    let outbound = local();
    let response = outbound.send(post(&server.url("/"))).await.unwrap();
    assert_eq!((response.body.len(), response.body_truncated), (4096, true));
    left.recv().await.expect("the server sees the connection closed");
}

#[tokio::test]
async fn a_body_is_read_no_further_than_the_bound() {
    // The server promises more than the bound and stops: a client that wants more waits in vain.
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n{}", "x".repeat(70_000));
    let server = Server::answering(answer.leak()).await;
    let response = local().send(post(&server.url("/"))).await.unwrap();
    assert_eq!((response.body.len(), response.body_truncated), (4096, true));
}

#[tokio::test]
async fn a_body_is_truncated_only_when_there_was_more() {
    for (length, keep, truncated) in
        [(10, 10, false), (11, 10, true), (0, 0, false), (1, 0, true), (0, 10, false)]
    {
        let body = "x".repeat(length);
        let server =
            Server::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").leak())
                .await;
        let request = OutboundRequest { keep_body_bytes: keep, ..post(&server.url("/")) };
        let response = local().send(request).await.unwrap();
        assert_eq!(
            (response.body.len(), response.body_truncated),
            (length.min(keep), truncated),
            "{length} {keep}"
        );
    }
}

/// Fails instead of waiting for ever.
async fn within_patience(request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
    tokio::time::timeout(PATIENCE, local().send(request)).await.expect("it is given up by itself")
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.wait_for_close().await;
    })
    .await;
    let request = OutboundRequest { timeout: SOON, ..post(&server.url("/")) };
    let error = within_patience(request).await.unwrap_err();
    assert!(matches!(error, OutboundError::TimedOut { timeout: SOON }), "{error:?}");
}

#[tokio::test]
async fn a_body_that_trickles_does_not_stretch_the_time() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.say("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
        while connection.say("x").await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let request = OutboundRequest { timeout: SOON, ..post(&server.url("/")) };
    let error = within_patience(request).await.unwrap_err();
    assert!(matches!(error, OutboundError::TimedOut { timeout: SOON }), "{error:?}");
}

#[tokio::test]
async fn answers_that_break_off_or_are_no_http_are_broken() {
    let endless_head: &str = format!("HTTP/1.1 200 OK\r\n{}", "x-filler: y\r\n".repeat(500)).leak();
    let answers = [
        "",
        "HTTP/1.1 200 OK\r\nconte",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "SSH-2.0-OpenSSH_9.9\r\n",
        endless_head,
    ];
    for answer in answers {
        let server = Server::start(move |mut connection| async move {
            connection.request().await;
            connection.say(answer).await;
        })
        .await;
        let error = local().send(post(&server.url("/?token=abc"))).await.unwrap_err();
        assert!(matches!(error, OutboundError::Broken { .. }), "{answer}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("abc"), "{error:?}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_called_is_not_repeated_in_the_error() {
    let error = local().send(post("https://{host}.example/?token=abc")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("abc"), "{error:?}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_no_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = local().send(post(&format!("http://{address}/?token=abc"))).await.unwrap_err();
    let OutboundError::Connect { reason } = error else { panic!("{error:?}") };
    assert!(reason.to_lowercase().contains("connection refused"), "{reason}");
    assert!(!reason.contains("abc"), "{reason}");
}

#[tokio::test]
async fn a_server_without_tls_is_no_https_server() {
    let server = Server::start(|mut connection| async move {
        connection.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.wait_for_close().await;
    })
    .await;
    let url = server.url("/").replace("http:", "https:");
    let error = local().send(post(&url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let proxy = Server::start(move |mut connection| {
        let log = log.clone();
        async move {
            let request = connection.request().await;
            log.lock().unwrap().push(request);
            connection.say("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    // The environment of this process cannot be changed safely, so that another one repeats a test.
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "tests::exchange::a_request_arrives_as_it_was_made_and_is_answered"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        again.env(name, proxy.url("/"));
    }
    again.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    assert_eq!(*asked.lock().unwrap(), []);
}
