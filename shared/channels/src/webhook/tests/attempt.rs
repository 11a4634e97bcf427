//! What an attempt comes to, from the answer to the result.

use http::HeaderValue;
use postrider_domain::{ChannelKind, Outcome};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_delivery_keeps_what_was_answered() {
    let outbound =
        FakeOutbound::answering(Ok(OutboundResponse { body: Bytes::from_static(b"thanks"), ..answer(202) }));
    let result = attempt(&outbound, &json!({"url": "https://example.com/"}), b"{}").await;
    assert_eq!((result.outcome, result.error, result.retry_after), (Outcome::Delivered, None, None));
    let response = result.response.unwrap();
    assert_eq!((response.status, response.body.as_str()), (202, "thanks"));
}

#[tokio::test]
async fn a_busy_receiver_says_how_long_to_wait() {
    let mut busy = answer(503);
    busy.headers.insert("retry-after", HeaderValue::from_static("120"));
    let result =
        attempt(&FakeOutbound::answering(Ok(busy)), &json!({"url": "https://example.com/"}), b"{}").await;
    assert_eq!((result.outcome, result.retry_after), (Outcome::Retry, Some(Duration::from_secs(120))));
    assert_eq!(result.response.unwrap().status, 503);
}

#[tokio::test]
async fn without_an_answer_there_is_no_response() {
    for (error, outcome) in [
        (OutboundError::Connect { reason: "connection refused".into() }, Outcome::Retry),
        (OutboundError::Refused(Refusal::Scheme), Outcome::Rejected),
    ] {
        let expected = error.to_string();
        let outbound = FakeOutbound::answering(Err(error));
        let result = attempt(&outbound, &json!({"url": "https://example.com/"}), b"{}").await;
        assert_eq!((result.outcome, result.error), (outcome, Some(expected)));
        assert_eq!(result.response, None);
        assert_eq!(&*result.request.url, "https://example.com/");
    }
}

#[tokio::test]
async fn a_receiver_that_repeats_the_request_does_not_give_credentials_away() {
    let mut echo = answer(302);
    echo.body =
        Bytes::from_static(b"{\"headers\":{\"authorization\":\"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\"}}");
    echo.headers.insert("location", HeaderValue::from_static("/login?key=k3y-of-acme"));
    let config = json!({
        "url": "https://example.com/",
        "auth": {"type": "basic", "username": "Aladdin", "password": "open sesame"},
        "headers": {"X-Api-Key": "k3y-of-acme"},
    });
    let result = attempt(&FakeOutbound::answering(Ok(echo)), &config, b"{}").await;
    let shown = format!("{result:?}");
    assert!(!shown.contains("QWxhZGRpbjpvcGVuIHNlc2FtZQ") && !shown.contains("k3y-of-acme"), "{shown}");
    assert!(shown.contains("/login?key=********"), "{shown}");
}

#[test]
fn the_registry_has_every_kind_of_channel() {
    let channels = crate::channels(Arc::new(FakeOutbound::default()), false);
    for kind in ChannelKind::ALL {
        assert_eq!(channels.get(kind).map(|channel| channel.kind()), Some(kind));
    }
    let webhook = channels.get(ChannelKind::Webhook).unwrap();
    assert!(webhook.check(&json!({"url": "https://example.com/"})).is_ok());
    assert!(webhook.check(&json!({"url": "http://example.com/"})).is_err());
}
