//! A server that answers one request after the other as a script says, and keeps what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// This status, these headers, and this body, of which the length is announced.
    Reply(u16, Vec<(&'static str, String)>, String),
    /// A body that ends before the announced length.
    Cut,
    /// A body that stops after its first bytes, though the connection stays.
    Stall,
    /// None, though the connection stays.
    Hang,
    /// The end of the connection.
    Drop,
}

impl Answer {
    /// An object's content.
    pub(crate) fn content(body: &str) -> Self {
        Self::Reply(200, Vec::new(), body.to_owned())
    }

    /// An error as S3 reports it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body =
            format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>told to</Message></Error>");
        Self::Reply(status, vec![("x-amz-request-id", "4442587FB7D0A2F9".to_owned())], body)
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path and what follows it, as it was written.
    pub(crate) target: String,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A server that runs as long as the test's runtime.
pub(crate) struct Server {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Answers as the script says, and after its end always as its last entry does.
    pub(crate) async fn start(script: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (script, all) = (script.to_vec(), Arc::clone(&received));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, all) = (script.clone(), Arc::clone(&all));
                // A client that has had enough goes away, which is an error here.
                tokio::spawn(async move { serve(stream, &script, &all).await.ok() });
            }
        });
        Self { address, received }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.into_iter().next().unwrap()
    }
}

/// Deals with one request; every connection has only one.
async fn serve(stream: TcpStream, script: &[Answer], all: &Mutex<Vec<Received>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let number = {
        let mut all = all.lock().unwrap();
        all.push(request);
        all.len() - 1
    };
    let (status, headers, body, announced) = match script[number.min(script.len() - 1)].clone() {
        Answer::Drop => return Ok(()),
        Answer::Hang => std::future::pending().await,
        Answer::Reply(status, headers, body) => (status, headers, body.clone(), body.len()),
        Answer::Cut | Answer::Stall => (200, Vec::new(), "con".to_owned(), 7),
    };
    let mut head = format!("HTTP/1.1 {status} Told\r\nconnection: close\r\ncontent-length: {announced}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
    stream.flush().await?;
    if matches!(script[number.min(script.len() - 1)], Answer::Stall) {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Received { method, target, headers, body })
}
