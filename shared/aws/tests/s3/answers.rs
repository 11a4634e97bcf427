//! What becomes of S3's answers: which are tried again, which are an error, and what that says.

use std::error::Error;
use std::time::Duration;

use aws_smithy_types::base64;
use postrider_application::ports::Blobs as _;
use postrider_aws::S3Blobs;
use postrider_aws::s3::S3Error;
use sha2::{Digest as _, Sha256};

use crate::client::{ACCESS_KEY, SECRET, TOKEN, bucket, impatient};
use crate::server::{Answer, Server};
use crate::signature::verify;

/// How long an attempt lasts that is to end by itself.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

fn with_causes(error: &S3Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn with_checksum(content: &str, checksum: String) -> Answer {
    Answer::Reply(200, vec![("x-amz-checksum-sha256", checksum)], content.to_owned())
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_sent_whole_every_time() {
    let passing = [
        Answer::error(503, "SlowDown"),
        Answer::error(500, "InternalError"),
        Answer::error(400, "RequestTimeout"),
        Answer::Reply(429, Vec::new(), String::new()),
        Answer::Reply(502, Vec::new(), "<html>Bad Gateway</html>".to_owned()),
        Answer::Reply(504, Vec::new(), String::new()),
        Answer::Drop,
    ];
    for passing in passing {
        let server = Server::start(&[passing.clone(), passing.clone(), Answer::content("")]).await;
        bucket(&server.address).put("key", "content".into()).await.unwrap();
        let received = server.received();
        assert_eq!(received.len(), 3, "{passing:?}");
        for request in received {
            assert_eq!(request.body, b"content");
            verify(&request, "bucket/key");
        }
        let server = Server::start(std::slice::from_ref(&passing)).await;
        bucket(&server.address).get("key").await.unwrap_err();
        assert_eq!(server.received().len(), 3, "{passing:?}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_an_error_at_once_that_names_the_code() {
    let refusals = [
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (400, "BadDigest"),
        (404, "NoSuchBucket"),
        (301, "PermanentRedirect"),
        (412, "PreconditionFailed"),
    ];
    for (status, code) in refusals {
        let server = Server::start(&[Answer::error(status, code)]).await;
        let bucket = bucket(&server.address);
        let expected = format!("S3 answered {status} {code} to request 4442587FB7D0A2F9");
        assert_eq!(with_causes(&bucket.put("key", "content".into()).await.unwrap_err()), expected);
        assert_eq!(with_causes(&bucket.get("key").await.unwrap_err()), expected);
        assert_eq!(server.received().len(), 2);
    }
}

#[tokio::test]
async fn only_an_object_that_does_not_exist_is_none() {
    let server = Server::start(&[Answer::error(404, "NoSuchKey")]).await;
    assert_eq!(bucket(&server.address).get("key").await.unwrap(), None);
    assert_eq!(server.received().len(), 1);
    // It could be anybody who says that.
    let server = Server::start(&[Answer::Reply(404, Vec::new(), "not found".to_owned())]).await;
    let error = bucket(&server.address).get("key").await.unwrap_err();
    assert_eq!(error.to_string(), "S3 answered 404");
    let server = Server::start(&[Answer::error(404, "NoSuchKey")]).await;
    bucket(&server.address).put("key", "content".into()).await.unwrap_err();
}

/// `SignatureDoesNotMatch` repeats what was signed, session token and all.
#[tokio::test]
async fn an_error_says_nothing_of_credentials_or_content() {
    let repeated = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId>\
         <CanonicalRequest>x-amz-security-token:{TOKEN} {SECRET} confidential</CanonicalRequest></Error>"
    );
    for status in [403, 500] {
        let server = Server::start(&[Answer::Reply(status, Vec::new(), repeated.clone())]).await;
        let blobs = S3Blobs::new(bucket(&server.address));
        for error in
            [blobs.put("key", "confidential".into()).await.unwrap_err(), blobs.get("key").await.unwrap_err()]
        {
            let shown = format!("{error} {error:?} {}", error.source);
            assert!(shown.contains("SignatureDoesNotMatch"), "{shown}");
            for secret in [ACCESS_KEY, SECRET, TOKEN, "confidential"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn content_that_is_cut_short_is_read_again() {
    let server = Server::start(&[Answer::Cut, Answer::Cut, Answer::content("content")]).await;
    assert_eq!(bucket(&server.address).get("key").await.unwrap().unwrap(), "content");
    assert_eq!(server.received().len(), 3);
    let server = Server::start(&[Answer::Cut]).await;
    let error = bucket(&server.address).get("key").await.unwrap_err();
    assert!(with_causes(&error).starts_with("S3 did not answer properly: "), "{}", with_causes(&error));
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn content_that_is_not_what_was_stored_is_read_again() {
    let right = base64::encode(Sha256::digest("content"));
    let wrong = with_checksum("c0ntent", right.clone());
    let server = Server::start(&[wrong.clone(), with_checksum("content", right)]).await;
    assert_eq!(bucket(&server.address).get("key").await.unwrap().unwrap(), "content");
    assert_eq!(server.received().len(), 2);
    let server = Server::start(&[wrong]).await;
    let error = with_causes(&bucket(&server.address).get("key").await.unwrap_err());
    assert!(error.contains("digest") && !error.contains("c0ntent"), "{error}");
    assert_eq!(server.received().len(), 3);
    // The digest of the digests of an object's parts.
    let parts = base64::encode(Sha256::digest("parts"));
    let server = Server::start(&[with_checksum("content", format!("{parts}-2"))]).await;
    assert_eq!(bucket(&server.address).get("key").await.unwrap().unwrap(), "content");
}

#[tokio::test]
async fn an_attempt_without_an_answer_ends_and_the_next_one_may_have_one() {
    for silence in [Answer::Hang, Answer::Stall] {
        let server = Server::start(&[silence.clone(), Answer::content("content")]).await;
        let bucket = impatient(&server.address, SHORT, LONG);
        assert_eq!(bucket.get("key").await.unwrap().unwrap(), "content", "{silence:?}");
        let server = Server::start(&[silence]).await;
        let error = impatient(&server.address, SHORT, LONG).get("key").await.unwrap_err();
        assert!(with_causes(&error).starts_with("S3 did not answer in time: "), "{}", with_causes(&error));
    }
}

#[tokio::test]
async fn an_operation_ends_though_attempts_are_left() {
    let server = Server::start(&[Answer::Hang]).await;
    let error = impatient(&server.address, LONG, SHORT).put("key", "content".into()).await.unwrap_err();
    assert!(with_causes(&error).starts_with("S3 did not answer in time: "), "{}", with_causes(&error));
    assert!(server.received().len() <= 1);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named_as_the_cause() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = bucket(&address).get("key").await.unwrap_err();
    assert!(with_causes(&error).starts_with("S3 was not reached: "), "{}", with_causes(&error));
}
