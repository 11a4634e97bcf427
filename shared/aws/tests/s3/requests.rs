//! What S3 is asked, and that it would take it for genuine.

use sha2::{Digest as _, Sha256};

use crate::client::{TOKEN, bucket};
use crate::server::{Answer, Server};
use crate::signature::verify;

/// Keys with what paths and signatures trip over.
const KEYS: [&str; 7] = [
    "payloads/acme/e:1/0a1b",
    "a b+c",
    "question?mark=1&two#three",
    "100%/%20",
    "with//two/../dots/.",
    "ünïcödé/\u{1f4ee}",
    "!'()*;@,$=[]\"\\^`{|}<>",
];

/// The digest's base64, as `openssl dgst -sha256 -binary | base64` prints it.
const OF_CONTENT: &str = "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=";

#[tokio::test]
async fn what_is_stored_is_signed_and_has_its_digest_beside_it() {
    let server = Server::start(&[Answer::content("")]).await;
    bucket(&server.address).put("payloads/acme/e:1/0a1b", "content".into()).await.unwrap();
    let request = server.only();
    assert_eq!((request.method.as_str(), &*request.body), ("PUT", &b"content"[..]));
    assert_eq!(request.headers["content-length"], "7");
    assert_eq!(request.headers["x-amz-checksum-sha256"], OF_CONTENT);
    assert_eq!(request.headers["x-amz-content-sha256"], hex::encode(Sha256::digest("content")));
    assert_eq!(request.headers["x-amz-security-token"], TOKEN);
    assert_eq!(request.headers["host"], server.address);
    verify(&request, "bucket/payloads/acme/e:1/0a1b");
}

#[tokio::test]
async fn what_is_read_is_asked_for_with_its_digest() {
    let server = Server::start(&[Answer::content("content")]).await;
    let read = bucket(&server.address).get("payloads/acme/e:1/0a1b").await.unwrap();
    assert_eq!(read.unwrap(), "content");
    let request = server.only();
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    assert_eq!(request.headers["x-amz-checksum-mode"], "ENABLED");
    assert_eq!(request.headers["x-amz-security-token"], TOKEN);
    verify(&request, "bucket/payloads/acme/e:1/0a1b");
}

#[tokio::test]
async fn any_key_and_nothing_as_content_are_signed_as_s3_expects() {
    for key in KEYS {
        let server = Server::start(&[Answer::content("")]).await;
        let bucket = bucket(&server.address);
        bucket.put(key, "".into()).await.unwrap();
        bucket.get(key).await.unwrap();
        let received = server.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].headers["content-length"], "0");
        for request in &received {
            verify(request, &format!("bucket/{key}"));
        }
    }
}
