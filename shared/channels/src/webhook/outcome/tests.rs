//! The table of answers, and `Retry-After` in its forms.

use bytes::Bytes;
use http::HeaderValue;
use postrider_application::ports::outbound::Refusal;
use serde_json::{Value, json};

use super::*;
use crate::webhook::tests::answer;

/// 2015-10-21T07:28:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_445_412_480_000);

fn judge(response: &OutboundResponse, success_codes: Value) -> Judgement {
    let config = json!({"url": "https://example.com/a/hook", "success_codes": success_codes});
    let config = crate::webhook::config::Config::read(&config, &|_, _| Ok(())).unwrap();
    of_response(response, &config.success_codes, &config.url, NOW)
}

fn with_header(status: u16, name: &'static str, value: &str) -> OutboundResponse {
    let mut response = answer(status);
    response.headers.insert(name, HeaderValue::from_str(value).unwrap());
    response
}

#[test]
fn every_status_has_its_outcome() {
    let cases = [
        (200..=299, Outcome::Delivered),
        (300..=399, Outcome::Rejected),
        (400..=407, Outcome::Rejected),
        (408..=408, Outcome::Retry),
        (409..=409, Outcome::Rejected),
        (410..=410, Outcome::Gone),
        (411..=424, Outcome::Rejected),
        (425..=425, Outcome::Retry),
        (426..=428, Outcome::Rejected),
        (429..=429, Outcome::Retry),
        (430..=499, Outcome::Rejected),
        (500..=599, Outcome::Retry),
        (101..=101, Outcome::Rejected),
        (600..=999, Outcome::Rejected),
    ];
    for (codes, outcome) in cases {
        for status in codes {
            let judgement = judge(&answer(status), Value::Null);
            assert_eq!(judgement.outcome, outcome, "{status}");
            assert_eq!(judgement.error.is_none(), outcome == Outcome::Delivered, "{status}");
        }
    }
}

#[test]
fn the_endpoint_says_what_success_is() {
    let codes = json!([201, 409, 429]);
    for status in [201, 409, 429] {
        assert_eq!(judge(&answer(status), codes.clone()).outcome, Outcome::Delivered, "{status}");
    }
    let judgement = judge(&answer(200), codes);
    assert_eq!(judgement.outcome, Outcome::Rejected);
    let expected = "the receiver answered 200 OK, which is not among the endpoint's success_codes";
    assert_eq!(judgement.error.unwrap(), expected);
    assert_eq!(judge(&answer(404), json!(["2xx", 404])).outcome, Outcome::Delivered);
}

#[test]
fn failures_are_told_in_words() {
    let error = |status| judge(&answer(status), Value::Null).error.unwrap();
    assert_eq!(error(503), "the receiver answered 503 Service Unavailable");
    assert_eq!(error(599), "the receiver answered 599");
    assert_eq!(error(404), "the receiver answered 404 Not Found; check the endpoint's url");
    assert_eq!(error(410), "the receiver answered 410 Gone: it wants nothing more");
}

#[test]
fn a_redirect_names_where_to_and_what_to_do() {
    for (location, target) in [
        ("https://other.example/x", "https://other.example/x"),
        ("/b/hook?c=d", "https://example.com/b/hook?c=d"),
        ("next", "https://example.com/a/next"),
    ] {
        let judgement = judge(&with_header(308, "location", location), Value::Null);
        let expected = format!(
            "the receiver answered 308 Permanent Redirect to {target}; \
             redirects are not followed: set the endpoint's url to that address"
        );
        assert_eq!((judgement.outcome, judgement.error.unwrap()), (Outcome::Rejected, expected));
    }
    let error = judge(&answer(302), Value::Null).error.unwrap();
    assert!(error.ends_with("set the endpoint's url to the final address"), "{error}");
    let long = with_header(302, "location", &"x".repeat(5_000));
    assert!(judge(&long, Value::Null).error.unwrap().len() < 1_000);
}

#[test]
fn retry_after_is_read_in_both_forms_and_garbage_is_ignored() {
    let cases = [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
        ("Wednesday, 21-Oct-15 07:29:00 GMT", Some(60)),
        ("Wed Oct 21 07:28:01 2015", Some(1)),
        ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("soon", None),
        ("99999999999999999999999", None),
        ("2015-10-21T07:28:30Z", None),
    ];
    for (text, seconds) in cases {
        for status in [429, 503] {
            let judgement = judge(&with_header(status, "retry-after", text), Value::Null);
            assert_eq!(judgement.retry_after, seconds.map(Duration::from_secs), "{status} {text}");
        }
    }
    for status in [200, 302, 404, 408, 410, 500, 502] {
        let judgement = judge(&with_header(status, "retry-after", "120"), Value::Null);
        assert_eq!(judgement.retry_after, None, "{status}");
    }
}

#[test]
fn no_answer_is_tried_again_unless_the_address_is_refused() {
    let timeout = Duration::from_secs(10);
    let retried = [
        OutboundError::Unresolved { host: "example.com".into() },
        OutboundError::TimedOut { timeout },
        OutboundError::Connect { reason: "connection refused".into() },
        OutboundError::Broken { reason: "connection reset".into() },
    ];
    for error in retried {
        let judgement = of_error(&error);
        assert_eq!((judgement.outcome, judgement.retry_after), (Outcome::Retry, None), "{error:?}");
        assert!(judgement.error.unwrap().starts_with(&error.to_string()));
    }
    let refused = of_error(&OutboundError::Refused(Refusal::Scheme));
    assert_eq!((refused.outcome, refused.error), (Outcome::Rejected, Some(Refusal::Scheme.to_string())));
}

#[test]
fn the_body_of_an_answer_does_not_matter() {
    let mut response = answer(200);
    response.body = Bytes::from_static(b"error: no");
    assert_eq!(judge(&response, Value::Null).outcome, Outcome::Delivered);
}
